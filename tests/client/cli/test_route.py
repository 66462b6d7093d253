import json

import pytest

from innkeep import wire


@pytest.fixture
def router(daemon):
    daemon.script[wire.RouteAsk] = lambda _: [
        wire.RouteReply(id=0, role="reasoning", confidence=0.8, model="r", candidates=["r", "l"], reason="the word 왜")
    ]
    return daemon


def test_route_tells_who_and_why(router, innkeep):
    assert innkeep("route", "왜", "하늘은").out == "r as reasoning (confidence 0.80)\nbecause the word 왜\nthen l\n"
    assert router.last(wire.RouteAsk).text == "왜 하늘은"


def test_route_of_a_session_and_as_json(router, innkeep):
    assert json.loads(innkeep("route", "x", "--session", "s", "--json").out)["candidates"] == ["r", "l"]
    assert router.last(wire.RouteAsk).session == "s"


def test_an_empty_text_is_not_routed(router, innkeep):
    assert innkeep("route", " ").status == 2
    assert router.requests == []
