import csv
import io
import json
import time

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
    ("words", "asked"),
    [
        (("--slow", "30s"), {"slower": 30.0}),
        (("--model", "ollama/other"), {"model": "other"}),
        (("--role", "reasoning"), {"role": "reasoning"}),
        (("--outcome", "load_failed", "-n", "3"), {"outcome": "load_failed", "limit": 3}),
    ],
)
def test_a_filter_is_the_daemons_work_over_the_whole_history(past, innkeep, words, asked):
    innkeep("history", *words)
    assert past.last(wire.HistoryAsk) == wire.HistoryAsk(**({"id": past.last(wire.HistoryAsk).id, "limit": 20} | asked))


def test_since_is_an_instant(past, innkeep):
    innkeep("history", "--since", "1h")
    assert abs(past.last(wire.HistoryAsk).since - (time.time() - 3600)) < 600


def test_csv_has_a_head_one_line_a_record_and_no_formulas(daemon, innkeep):
    odd = a_record(id="b", client='=cmd|"x"', reason="a, b", model="한국어:8b", evicted=["m", "n"])
    daemon.script[wire.HistoryAsk] = lambda _: [wire.History(id=0, records=[odd, a_record(id="a")])]
    rows = list(csv.DictReader(io.StringIO(innkeep("history", "--csv").out)))
    assert [row["id"] for row in rows] == ["b", "a"]
    assert rows[0]["client"] == '\'=cmd|"x"'
    assert (rows[0]["reason"], rows[0]["model"], rows[0]["evicted"]) == ("a, b", "한국어:8b", "m n")
    assert (rows[1]["queued_s"], rows[1]["total_s"], rows[1]["tokens_per_s"]) == ("12.0", "14.0", "11.24")
    assert rows[1]["asked"].startswith("2023-11-1")
