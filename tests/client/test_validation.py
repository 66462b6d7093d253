"""Fields that make no sense beside one another."""

from datetime import UTC, datetime

import pytest

from innkeep import wire
from innkeep.validation import invalid_field
from support.messages import REQUESTS

HI = [wire.Message("user", "hi")]
NAN, INF = float("nan"), float("inf")


def test_every_example_makes_sense():
    assert [one for one in REQUESTS if invalid_field(one)] == []


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (wire.Hello(id=1, protocol=0), "protocol"),
        (wire.Chat(id=1, messages=[]), "messages"),
        (wire.Chat(id=1, messages=HI, fallbacks=["a"]), "fallbacks"),
        (wire.Chat(id=1, messages=HI, model=""), "model"),
        (wire.Chat(id=1, messages=HI, patience=-1), "patience"),
        (wire.Chat(id=1, messages=HI, patience=INF), "patience"),
        (wire.Chat(id=1, messages=HI, deadline=NAN), "deadline"),
        (wire.Chat(id=1, messages=HI, options={"a": [{"b": NAN}]}), "options"),
        (wire.Chat(id=1, messages=HI, options={"a": datetime.now(UTC)}), "options"),
        (wire.Chat(id=1, messages=HI, options={"a": {1: 2}}), "options"),
        (wire.Chat(id=1, messages=HI, tools=[{"a": b"x"}]), "tools"),
        (wire.Chat(id=1, messages=HI, format={"a": b"x"}), "format"),
        (wire.Chat(id=1, messages=[wire.Message("assistant", tool_calls=[{"a": b"x"}])]), "messages"),
        (wire.RouteAsk(id=1), "messages"),
        (wire.RouteAsk(id=1, messages=HI, text="hi"), "messages"),
        (wire.RouteAsk(id=1, messages=[]), "messages"),
        (wire.Unload(id=1), "model"),
        (wire.Unload(id=1, model="a", all=True), "model"),
        (wire.Hold(id=1, seconds=-0.1), "seconds"),
        (wire.Hold(id=1, seconds=NAN), "seconds"),
        (wire.Shutdown(id=1, drain=-1), "drain"),
        (wire.HistoryAsk(id=1, limit=-1), "limit"),
        (wire.Load(id=1, model=""), "model"),
        (wire.Embed(id=1, model="", input="a"), "model"),
    ],
)
def test_the_field_that_makes_no_sense_is_named(request_, field):
    assert field == (invalid_field(request_) or ("nothing",))[0]


def test_zero_is_a_duration_and_a_limit():
    for one in (
        wire.Chat(id=1, messages=HI, patience=0, deadline=0.0),
        wire.Hold(id=1, seconds=0),
        wire.Shutdown(id=1, drain=0),
        wire.HistoryAsk(id=1, limit=0),
    ):
        assert invalid_field(one) is None


@pytest.mark.parametrize("depth", [300, 900])
def test_what_is_nested_too_deeply_is_told_by_its_field(depth):
    deep = []
    for _ in range(depth):
        deep = [deep]
    field, why = invalid_field(wire.Chat(id=1, messages=[wire.Message("user", "a")], options={"a": deep}))
    assert field == "options"
    assert "nested too deeply; the most is 200 levels" in why
    calls = [wire.Message("user", "a", tool_calls=[{"a": deep}])]
    assert invalid_field(wire.Chat(id=1, messages=calls))[0] == "messages"


def test_a_hold_ends_within_a_year():
    assert invalid_field(wire.Hold(id=1, seconds=31_536_000.0)) is None
    assert invalid_field(wire.Hold(id=1, seconds=1e308)) == ("seconds", "the most is 31,536,000, a year")
