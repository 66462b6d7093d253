import json

from innkeep.cli.trace import trace_of
from innkeep.wire import DecisionRecord, Timings
from support.cli_daemon import a_record


def test_records_become_requests_in_order_of_arrival():
    newest_first = [
        a_record(id="b", asked_at=110.5, session="build", last=True, client="agent", priority="agent"),
        a_record(id="a", asked_at=100.0),
    ]
    head, *requests = trace_of(newest_first, "today")
    assert head == {"trace": "today", "seed": 0, "note": "from decision records", "requests": 2}
    assert requests == [
        {
            "id": "a",
            "t": 0.0,
            "class": "interactive",
            "client": "innkeep",
            "chain": ["qwen2.5-coder:32b", "deepseek-r1:32b"],
            "prompt": 20,
            "out": 3,
        },
        {
            "id": "b",
            "t": 10.5,
            "class": "agent",
            "client": "agent",
            "session": "build",
            "last": True,
            "chain": ["qwen2.5-coder:32b", "deepseek-r1:32b"],
            "prompt": 20,
            "out": 3,
        },
    ]


def test_who_left_early_has_the_time_of_leaving():
    (_, line) = trace_of([a_record(code="cancelled", outcome="cancelled", timings=Timings(total=3.25))])
    assert line["cancel"] == 3.25


def test_what_was_never_routed_is_left_out_and_counted():
    head, *requests = trace_of(
        [a_record(chain=[]), a_record(asked_at=0.0), DecisionRecord(id="z", asked_at=5, chain=["m"], priority="batch")]
    )
    assert head["note"] == "from decision records; 2 without a chain left out"
    assert json.loads(json.dumps(requests)) == [
        {"id": "z", "t": 0.0, "class": "batch", "client": "unknown", "chain": ["m"], "prompt": 0, "out": 0}
    ]


def test_no_records_are_an_empty_trace():
    assert [line["requests"] for line in trace_of([])] == [0]
