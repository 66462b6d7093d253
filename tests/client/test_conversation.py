"""A connection as a client sees it: ids, legal order, one end."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeep import errors, wire
from innkeep.conversation import ASKED, ENDED, ORDER, Conversation
from innkeep.framing import Framer, decode_request, encode
from support.messages import REPLIES, REQUESTS

CHAT = wire.Chat(id=0, messages=[wire.Message("user", "hi")])
EXAMPLES = {type(one): one for one in REPLIES}
R, W, L, S, D, E = (
    EXAMPLES[kind] for kind in (wire.Routed, wire.Waiting, wire.Loading, wire.Started, wire.Delta, wire.Done)
)


def heard(conversation: Conversation, number: int, *replies: wire.Reply) -> list[wire.Reply]:
    """What the client hears when the daemon sends these under that id."""
    data = b"".join(encode(msgspec.structs.replace(one, id=number), conversation.dialect) for one in replies)
    return [*conversation.receive(data)]


def asked(request: wire.Request = CHAT) -> tuple[Conversation, int]:
    conversation = Conversation()
    return conversation, conversation.ask(request)[0]


def test_ids_are_given_out_and_never_again():
    conversation = Conversation("lines")
    sent = [conversation.ask(wire.Load(id=99, model="a")), conversation.ask(wire.Load(id=99, model="b"))]
    assert [number for number, _ in sent] == [1, 2]
    assert [wire.Load(id=1, model="a"), wire.Load(id=2, model="b")] == [
        decode_request(data, "lines") for _, data in sent
    ]
    assert frozenset({1, 2}) == conversation.open
    assert repr(conversation) == "<Conversation: 1 load asked, 2 load asked>"
    heard(conversation, 1, EXAMPLES[wire.Loaded])
    assert conversation.ask(CHAT)[0] == 3


def test_every_request_has_an_order_whose_states_lead_to_an_end():
    assert set(get_args(wire.Request)) == set(ORDER)
    for kind, table in ORDER.items():
        states = {ASKED} | {after for row in table.values() for after in row.values()}
        assert states - {ENDED} == set(table), kind
        assert ENDED in states or kind is wire.Watch


def test_the_order_and_is_end_agree():
    for request in REQUESTS:
        for row in ORDER[type(request)].values():
            for kind, after in row.items():
                assert wire.is_end(request, EXAMPLES[kind]) == (after == ENDED)


@pytest.mark.parametrize(
    "replies",
    [
        [R, S, D, D, E],
        [R, W, W, L, W, L, L, S, D, E],
        [R, S, S, E],
        [R, S, W, L, S, D, E],
        [EXAMPLES[wire.Error]],
        [R, EXAMPLES[wire.Error]],
        [R, S, D, EXAMPLES[wire.Error]],
    ],
)
@given(data=st.data())
def test_a_legal_chat_is_heard_in_any_chunking_and_ends_once(replies, data):
    conversation, number = asked()
    told = [msgspec.structs.replace(one, id=number) for one in replies]
    stream = b"".join(encode(one, "frames") for one in told)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert told == [one for chunk in chunks for one in conversation.receive(chunk)]
    assert not conversation.open
    assert heard(conversation, number, replies[-1]) == []


@pytest.mark.parametrize(
    "replies",
    [[S], [D], [E], [R, R], [R, D], [R, E], [R, W, D], [R, S, D, S], [R, S, D, W], [R, S, R], [EXAMPLES[wire.Status]]],
)
def test_a_reply_out_of_order_is_a_violation_that_names_both(replies):
    conversation, number = asked()
    with pytest.raises(errors.ProtocolViolation, match=f"to request {number}, a `chat` that is "):
        heard(conversation, number, *replies)


def test_a_watch_hears_a_snapshot_then_events_until_cancelled():
    conversation, number = asked(wire.Watch(id=0))
    status, event = EXAMPLES[wire.Status], EXAMPLES[wire.Event]
    assert len(heard(conversation, number, status, event, event)) == 3
    heard(conversation, number, EXAMPLES[wire.Error])
    assert not conversation.open
    conversation, number = asked(wire.Watch(id=0))
    with pytest.raises(errors.ProtocolViolation):
        heard(conversation, number, event)


def test_replies_interleave_and_unknown_ids_pass_by():
    conversation, chat = asked()
    load, _ = conversation.ask(wire.Load(id=0, model="a"))
    assert heard(conversation, 77, D) == []
    assert [chat] == [one.id for one in heard(conversation, chat, R)]
    assert [load] == [one.id for one in heard(conversation, load, EXAMPLES[wire.Loaded])]
    assert frozenset({chat}) == conversation.open


def test_a_cancelled_request_is_forgotten_and_the_daemon_is_told():
    conversation, number = asked()
    told = [decode_request(body, "frames") for body in Framer().feed(conversation.cancel(number))]
    assert [wire.Cancel(id=2, target=1)] == told
    assert conversation.cancel(number) == b""
    assert heard(conversation, number, D, EXAMPLES[wire.Error]) == []
    assert heard(conversation, 2, EXAMPLES[wire.Cancelled]) == []


def test_an_error_without_an_id_is_the_end_of_all():
    conversation, _ = asked()
    with pytest.raises(errors.Forbidden, match="not yours"):
        [*conversation.receive(encode(wire.Error(id=None, code="forbidden", message="not yours"), "frames"))]


@pytest.mark.parametrize("value", [object(), "\ud800"])
def test_a_request_that_cannot_be_said_opens_nothing(value):
    conversation = Conversation()
    with pytest.raises(errors.BadRequest, match="the `chat` request can't be sent"):
        conversation.ask(msgspec.structs.replace(CHAT, options={"seed": value}))
    assert not conversation.open
    assert conversation.ask(CHAT)[0] == 1


def test_a_lost_request_tells_whether_text_had_come():
    conversation, number = asked()
    other, _ = conversation.ask(CHAT)
    heard(conversation, number, R, S, D)
    heard(conversation, other, R)
    assert [conversation.lost(one).partial for one in (number, other)] == [True, False]
    assert not conversation.open


def test_silence_is_a_lost_connection_only_after_a_reply():
    conversation, number = asked()
    before = conversation.silent(number, 2)
    assert (errors.ConnectionFailed, "innkeepd said nothing for 2 s; a longer timeout, or none, waits longer") == (
        type(before),
        str(before),
    )
    conversation, number = asked()
    heard(conversation, number, R)
    assert errors.ConnectionLost is type(conversation.silent(number, 2))
