import json

import pytest
from msgspec import convert

from innkeep.cli.trace import trace_of
from innkeep.wire import DecisionRecord
from innkeepd.simulate.trace import DEFAULT_MACHINE, TraceError, check_models, read_machine, read_trace, with_patience

GOOD = {"id": "1", "t": 0, "class": "interactive", "chain": ["light8"], "prompt": 1, "out": 1}
MODEL = {"gib": 6, "heavy": False, "load_s": 0, "unload_s": 1, "prefill_tps": 10, "decode_tps": 1}


def line(**changes) -> str:
    return json.dumps({name: value for name, value in (GOOD | changes).items() if value is not ...})


def test_a_trace_may_have_a_head_and_empty_lines():
    lines = [
        '{"trace": "x", "seed": 1, "note": "", "requests": 1}',
        "",
        line(),
        line(id="2", t=..., after="1", think=2),
    ]
    requests = read_trace(lines, "x")
    assert [(request.id, request.t, request.after) for request in requests] == [("1", 0, None), ("2", None, "1")]


def test_a_head_needs_no_name_and_a_null_is_what_was_not_told():
    nulls = dict.fromkeys(("after", "think", "client", "session", "last", "cancel", "patience"))
    requests = read_trace(['{"seed": 1, "note": ""}', line(**nulls, unknown={"a": [1]})], "x")
    assert [(r.id, r.think, r.client, r.last) for r in requests] == [("1", 0.0, "", True)]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["{"], "x, line 1: Input data was truncated"),
        ([line(id=...)], "x, line 1: Object missing required field `id`"),
        (["[]"], "x, line 1: Expected `object`, got `array`"),
        ([line(**{"class": "king"})], r"x, line 1: Invalid enum value 'king' - at `\$.class`"),
        ([line(chain=...)], "x, line 1: Object missing required field `chain`"),
        ([line(chain=[])], "x, line 1: `chain` is empty"),
        ([line(), line()], "x, line 2: id '1' stands twice"),
        ([line(after="1")], "x, line 1: give either `t` or `after`"),
        ([line(out=-1)], "x, line 1: `out` is -1; expected 0 to 1e[+]09"),
        ([line(t=1e300)], "x, line 1: `t` is 1e[+]300"),
        ([line(t=..., after="9")], "x: '1' comes after '9', which is not in the trace"),
        ([line(t=..., after="2"), line(id="2", t=..., after="1")], "x: '1' comes after itself"),
        ([""], "x: no request in it"),
    ],
)
def test_a_trace_that_cannot_be_read_says_where_and_why(lines, why):
    with pytest.raises(TraceError, match=why):
        read_trace(lines, "x")


def test_the_table_of_models_is_the_recorded_machine():
    text = json.dumps({"budget_gib": 27, "models": {"light8": MODEL}})
    assert read_machine(text, "m").models["light8"].gib == 6


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"budget_gib": 0}, "m: expected `budget_gib` above 0"),
        ({"parallel": 0}, "m: expected `budget_gib` above 0 and `parallel` of 1 or more"),
        ({"models": {"a": MODEL | {"decode_tps": 0}}}, "m: model 'a': `decode_tps` is 0.0, expected more than 0"),
        ({"models": {"a": MODEL | {"load_s": -1}}}, "m: model 'a': `load_s` is -1.0, expected 0 or more"),
        ({"models": 5}, "m: Expected `object`, got `int`"),
    ],
)
def test_a_machine_that_cannot_be_is_refused(change, why):
    text = json.dumps({"budget_gib": 27, "models": {"light8": MODEL}} | change)
    with pytest.raises(TraceError, match=why):
        read_machine(text, "m")


def test_a_model_without_constants_is_one_error():
    requests = read_trace([line(chain=["light8", "b", "a"])], "x")
    with pytest.raises(TraceError, match="x: names models without constants: a, b; describe them in --models FILE"):
        check_models(requests, DEFAULT_MACHINE, "x")


def test_a_class_gives_its_patience_to_those_without_their_own():
    requests = read_trace([line(), line(id="2", patience=1)], "x")
    assert [request.patience for request in with_patience(requests, {"interactive": 9.0})] == [9.0, 1]


def test_a_history_that_the_client_writes_as_a_trace_can_be_read():
    records = [
        {
            "id": "r1",
            "asked_at": 100.0,
            "priority": "agent",
            "session": "s",
            "last": False,
            "chain": ["qwen2.5-coder:32b", "llama3.1:8b"],
            "prompt_tokens": 10,
            "completion_tokens": 20,
        },
        {"id": "r2", "asked_at": 101.0, "chain": ["llama3.1:8b"], "code": "cancelled", "timings": {"total": 2.0}},
    ]
    requests = read_trace([json.dumps(each) for each in trace_of(convert(records, list[DecisionRecord]))], "history")
    check_models(requests, DEFAULT_MACHINE, "history")
    assert [(r.id, r.t, r.priority, r.last, r.cancel) for r in requests] == [
        ("r1", 0.0, "agent", False, None),
        ("r2", 1.0, "interactive", True, 2.0),
    ]
