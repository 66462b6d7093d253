"""What both clients share."""

import pytest

from innkeep import errors, wire
from innkeep.requests import AnswerSoFar, chat_request, error_of, greeting, route_request, unreachable
from support.messages import REPLIES


def test_a_question_is_one_turn_of_the_users():
    assert chat_request("hi").messages == [wire.Message("user", "hi")]
    assert route_request("hi", "s") == wire.RouteAsk(id=0, text="hi", session="s")


def test_turns_are_structs_or_maps():
    turns = [{"role": "system", "content": "x"}, wire.Message("user", "hi")]
    messages = [wire.Message("system", "x"), wire.Message("user", "hi")]
    assert chat_request(turns).messages == messages
    assert route_request(turns) == wire.RouteAsk(id=0, messages=messages)


@pytest.mark.parametrize("turns", [[{"content": "no role"}], [{"role": 3}], ["hi"], [None]])
def test_turns_of_another_shape_are_refused(turns):
    with pytest.raises(errors.BadRequest, match=r"a message is {role, content, \.\.\.}"):
        chat_request(turns)


def test_an_answer_keeps_what_it_was_told():
    answer = AnswerSoFar()
    assert repr(answer) == "<AnswerSoFar not begun, 0 characters>"
    told = [answer._note(one) for one in REPLIES]
    assert answer.text == "".join(told) == "빛이 "
    assert answer.routed in REPLIES
    assert answer.done in REPLIES


def test_an_error_keeps_its_id():
    assert error_of(wire.Error(id=3, code="on_hold", message="held")).request_id == 3


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (FileNotFoundError(), "is not running at /s: start it with `innkeep service start` or `innkeepd run`"),
        (ConnectionRefusedError(), "is not running at /s"),
        (PermissionError(), "/s is another user's socket"),
        (TimeoutError(), "innkeepd at /s takes no connections"),
        (BlockingIOError(), "innkeepd at /s takes no connections"),
    ],
)
def test_no_connection_is_told_with_what_to_do(fault, words):
    assert words in str(unreachable("/s", fault))


def test_the_greeting_names_protocol_and_client():
    assert greeting("innkeep") == wire.Hello(id=0, protocol=1, client="innkeep")
