import time

from innkeep import wire
from innkeep.cli.stats import OFF, stats_text, totals_text


def test_what_would_have_changed_is_told_most_first():
    rows = [wire.ShadowCount("a", "general", "a", 3), wire.ShadowCount("a", "coding", "b", 5)]
    assert stats_text(wire.Stats(id=0, shadow=True, routing=rows)).splitlines() == [
        "5 of 8 chats that named a model would have gone elsewhere",
        "      5  a -> b (coding)",
        "      3  a stays (general)",
    ]
    assert stats_text(wire.Stats(id=0, shadow=False, routing=rows)).endswith(OFF)


def test_without_counts_it_says_why():
    assert stats_text(wire.Stats(id=0, shadow=False, routing=[])) == OFF
    assert "yet" in stats_text(wire.Stats(id=0, shadow=True, routing=[]))


TOTALS = wire.Totals(
    since=1_700_000_000.0,
    requests=120,
    swaps=9,
    swap_seconds=110.0,
    arrival_swaps=40,
    saved_swaps=31,
    saved_seconds=380.0,
    rows=[
        wire.UsageRow("coding", "qwen2.5-coder:32b", 80, 2, 640.0, 90.0, 9000),
        wire.UsageRow("", "deepseek-r1:32b", swaps=9, swap_seconds=110.0),
    ],
)


def test_a_week_is_told_by_role_and_model_with_what_swaps_cost_and_turns_saved():
    text = totals_text(TOTALS)
    assert "120 requests" in text
    assert "swaps: 9, 110 s lost to them" in text
    assert "saved by turns: 31 swaps, about 6 min (the order of arrival: 40 swaps)" in text
    assert "coding  qwen2.5-coder:32b        80       2  11 min       90 s    9000" in text
    assert "deepseek-r1:32b      9  110 s" in text


def test_the_command_asks_for_a_week_and_for_any_span(daemon, innkeep):
    daemon.script[wire.StatsAsk] = lambda _: [wire.Stats(id=0, shadow=False, routing=[], totals=TOTALS)]
    assert "saved by turns" in innkeep("stats", "--week").out
    assert abs(daemon.last(wire.StatsAsk).since - (time.time() - 7 * 86400)) < 600
    assert innkeep("stats", "--since", "1h", "--json").out.startswith('{"type":"stats"')
    assert abs(daemon.last(wire.StatsAsk).since - (time.time() - 3600)) < 600
    assert innkeep("stats").status == 2


def test_an_empty_span_says_so():
    assert totals_text(wire.Totals(since=1_700_000_000.0)).startswith("no request since 2023-11-1")
