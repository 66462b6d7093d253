import json

import pytest

from innkeep import wire
from support.cli_daemon import a_record


@pytest.fixture
def past(daemon):
    daemon.script[wire.HistoryAsk] = lambda _: [
        wire.History(id=0, records=[a_record(id="b", asked_at=2e9), a_record(id="a")])
    ]
    return daemon


def test_history_is_a_table_of_twenty(past, innkeep):
    assert [line.split()[0] for line in innkeep("history").out.splitlines()] == ["ID", "b", "a"]
    assert past.last(wire.HistoryAsk).limit == 20


def test_history_as_json_is_one_record_a_line(past, innkeep):
    lines = innkeep("history", "-n", "5", "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["b", "a"]
    assert past.last(wire.HistoryAsk).limit == 5


def test_a_trace_has_a_head_and_goes_forward_in_time(past, innkeep):
    head, *requests = (json.loads(line) for line in innkeep("history", "--trace").out.splitlines())
    assert head["requests"] == 2
    assert [one["id"] for one in requests] == ["a", "b"]


def test_a_limit_of_none_is_refused(past, innkeep):
    ended = innkeep("history", "-n", "0")
    assert (ended.status, "must be 1 or more, not 0" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (("--since", "1h"), ["b"]),
        (("--slow", "30s"), ["c"]),
        (("--model", "other"), ["c"]),
        (("--role", "reasoning"), ["c"]),
        (("--outcome", "load_failed"), ["c"]),
        (("--outcome", "answered"), ["b", "a"]),
        (("--outcome", "answered", "-n", "1"), ["b"]),
    ],
)
def test_history_shows_only_what_is_asked_for(daemon, innkeep, filters, ids):
    odd = a_record(
        id="c", asked_at=1.0, model="other:latest", role="reasoning", outcome="failed", code="load_failed",
        timings=wire.Timings(total=41.0),
    )  # fmt: skip
    records = [a_record(id="b", asked_at=2e10, role="coding"), odd, a_record(id="a", asked_at=1.0, role="coding")]
    daemon.script[wire.HistoryAsk] = lambda _: [wire.History(id=0, records=records)]
    lines = innkeep("history", *filters, "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids
    assert daemon.last(wire.HistoryAsk).limit == 1000
