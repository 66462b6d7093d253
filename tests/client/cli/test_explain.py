import json

from innkeep import wire
from support.cli_daemon import a_record


def test_explain_asks_for_one_request(daemon, innkeep):
    daemon.script[wire.HistoryAsk] = lambda _: [wire.History(id=0, records=[a_record()])]
    assert innkeep("explain", "3f9a").out.startswith("request 3f9a01\n")
    assert daemon.last(wire.HistoryAsk).request == "3f9a"


def test_the_last_one_needs_no_id(daemon, innkeep):
    daemon.script[wire.HistoryAsk] = lambda _: [wire.History(id=0, records=[a_record()])]
    assert json.loads(innkeep("explain", "last", "--json").out)["id"] == "3f9a01"
    assert daemon.last(wire.HistoryAsk).request is None


def test_last_is_the_last_question_and_no_load(daemon, innkeep):
    records = [a_record(id="l", kind="load"), a_record(id="c")]
    daemon.script[wire.HistoryAsk] = lambda _: [wire.History(id=0, records=records)]
    assert innkeep("explain", "last").out.startswith("request c\n")


def test_an_ambiguous_beginning_is_refused(daemon, innkeep):
    records = [a_record(id="3a"), a_record(id="3b")]
    daemon.script[wire.HistoryAsk] = lambda _: [wire.History(id=0, records=records)]
    ended = innkeep("explain", "3")
    assert (ended.status, ended.err) == (
        1,
        "innkeep: several requests begin with '3' (3a, 3b); type more of the id\n",
    )
    assert innkeep("explain", "").status == 1


def test_an_unknown_request_is_a_failure_in_one_line(daemon, innkeep):
    daemon.script[wire.HistoryAsk] = lambda _: [wire.History(id=0, records=[])]
    ended = innkeep("explain", "nope")
    assert (ended.status, ended.err) == (1, "innkeep: no request 'nope' is known; `innkeep history` lists them\n")
    assert json.loads(innkeep("explain", "nope", "--json").out)["code"] == "bad_request"
    assert innkeep("explain", "last").err.startswith("innkeep: no question has been answered yet;")
