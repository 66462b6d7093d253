import json

import pytest

from innkeep import wire
from support.cli_daemon import a_record


@pytest.fixture
def noting(daemon):
    daemon.script[wire.Feedback] = lambda ask: [wire.Noted(id=0, request=ask.request)]
    daemon.script[wire.HistoryAsk] = lambda _: [wire.History(id=0, records=[a_record()])]
    return daemon


def test_feedback_names_request_and_role(noting, innkeep):
    assert innkeep("feedback", "3f9a01", "reasoning").out == "noted: 3f9a01 should have been reasoning\n"
    assert noting.last(wire.Feedback).role == "reasoning"


def test_feedback_that_teaches_nothing_says_so(noting, innkeep):
    assert "can't learn" in innkeep("feedback", "3f9a01", "coding").err
    noting.script[wire.Feedback] = lambda ask: [wire.Noted(id=0, request=ask.request, teaches=True)]
    assert innkeep("feedback", "3f9a01", "coding").err == ""


def test_feedback_on_the_last_request_looks_its_id_up(noting, innkeep):
    assert json.loads(innkeep("feedback", "last", "coding", "--json").out)["request"] == "3f9a01"


def test_feedback_on_nothing_fails(noting, innkeep):
    noting.script[wire.HistoryAsk] = lambda _: [wire.History(id=0, records=[])]
    assert innkeep("feedback", "last", "coding").status == 1


def test_an_unknown_role_is_a_usage_error(noting, innkeep):
    ended = innkeep("feedback", "last", "poetry")
    assert (ended.status, "poetry" in ended.err) == (2, True)
