import json
import time

import pytest

from innkeep import wire


@pytest.fixture
def holding(daemon):
    daemon.script[wire.Hold] = lambda ask: [wire.Held(id=0, until=time.time() + ask.seconds)]
    return daemon


def test_hold_tells_until_when(holding, innkeep):
    ended = innkeep("hold", "30m", "--why", "video call")
    assert ended.out.startswith("nothing is loaded until ")
    assert ended.out.endswith("1800 s (30 min); `innkeep resume` ends it early\n")
    assert (holding.last(wire.Hold).seconds, holding.last(wire.Hold).why) == (1800.0, "video call")


def test_hold_as_json_is_the_wires_message(holding, innkeep):
    assert json.loads(innkeep("hold", "5", "--json").out)["type"] == "held"


def test_what_is_no_duration_is_refused_before_anything_happens(holding, innkeep, capsys):
    assert innkeep("hold", "soon").status == 2
    assert "'soon' is no duration; write seconds, or 90s, 5m, 1h30m" in capsys.readouterr().err
    assert holding.requests == []
