import json
import time

import pytest

from innkeep import wire


@pytest.fixture
def holding(daemon):
    daemon.script[wire.Hold] = lambda ask: [wire.Held(id=0, until=time.time() + ask.seconds, why=ask.why)]
    return daemon


def test_hold_tells_until_when(holding, innkeep):
    ended = innkeep("hold", "30m", "--why", "video call")
    assert ended.out.startswith('on hold ("video call") for 30 min, until ')
    assert ended.out.endswith("; `innkeep resume` ends it\n")
    assert (holding.last(wire.Hold).seconds, holding.last(wire.Hold).why) == (1800.0, "video call")


def test_hold_as_json_is_the_wires_message(holding, innkeep):
    assert json.loads(innkeep("hold", "5", "--json").out)["type"] == "held"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("soon", "invalid duration 'soon'; use 90, 90s, 5m or 1h30m"),
        ("-5m", "invalid duration '-5m'"),
        ("0", "a hold lasts longer than 0 s"),
    ],
)
def test_what_is_no_duration_is_refused_before_anything_happens(holding, innkeep, word, told):
    ended = innkeep("hold", word)
    assert (ended.status, told in ended.err) == (2, True)
    assert holding.requests == []


def test_a_duration_may_have_spaces(holding, innkeep):
    assert innkeep("hold", "1h", "30m").status == 0
    assert holding.last(wire.Hold).seconds == 5400.0
