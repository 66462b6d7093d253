"""Bytes <-> messages: any chunking, any nonsense, golden frames."""

import random
import time
import tracemalloc
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeep import errors, wire
from innkeep.framing import Framer, decode_reply, decode_request, encode, ends_connection, error_reply, name_of
from support.golden import golden
from support.messages import REPLIES, REQUESTS

DIALECTS = ("frames", "lines")
dialects = pytest.mark.parametrize("dialect", DIALECTS)


def bodies(data: bytes, dialect: str | None = None) -> list[bytes]:
    framer = Framer(dialect)
    return [*framer.feed(data), *framer.end()]


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def fault_of(body: bytes, dialect: str = "lines") -> errors.InnkeepError:
    with pytest.raises(errors.InnkeepError) as caught:
        decode_request(body, dialect)
    return caught.value


# ---- golden frames ---------------------------------------------------------------------------------------------------


@dialects
def test_golden_requests_of_protocol_1_decode_for_ever(dialect):
    found = [decode_request(body, dialect) for body in bodies(golden("requests", dialect).read_bytes())]
    assert found == REQUESTS


@dialects
def test_golden_replies_of_protocol_1_decode_for_ever(dialect):
    found = [decode_reply(body, dialect) for body in bodies(golden("replies", dialect).read_bytes(), dialect)]
    assert found == REPLIES


def test_golden_frames_hold_every_type():
    assert set(get_args(wire.Request)) == {type(one) for one in REQUESTS}
    assert set(get_args(wire.Reply)) == {type(one) for one in REPLIES}


# ---- cutting ---------------------------------------------------------------------------------------------------------


@dialects
@given(data=st.data())
def test_messages_survive_any_chunking(dialect, data):
    messages = data.draw(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=8))
    stream = b"".join(encode(one, dialect) for one in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    framer = Framer()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += [decode_request(body, dialect) for body in framer.feed(stream[start:end])]
    assert messages == found
    assert dialect == framer.dialect
    assert not framer.mid_frame


@dialects
@given(text=st.text(), number=st.integers(-(2**63), 2**64 - 1))
def test_any_text_and_id_round_trips(dialect, text, number):
    chat = wire.Chat(id=number, messages=[wire.Message("user", text)], session=text)
    assert [chat] == [decode_request(body, dialect) for body in bodies(encode(chat, dialect))]


def test_the_first_byte_tells_the_dialect():
    frames, lines, undecided = Framer(), Framer(), Framer()
    assert [*frames.feed(b"\0")] == []
    assert [*lines.feed(b"{")] == []
    assert [*undecided.feed(b"")] == []
    assert [one.dialect for one in (frames, lines, undecided)] == ["frames", "lines", None]
    assert [one.mid_frame for one in (frames, lines, undecided)] == [True, True, False]
    assert repr(undecided) == "<Framer undecided, 0 bytes kept>"


@pytest.mark.parametrize("first", [b"G", b"\n", b" ", b"[", b"\x01", b"\xff"])
def test_any_other_first_byte_is_a_bad_dialect_and_nothing_is_kept(first):
    framer = Framer()
    for data in (first + b"ET / HTTP/1.1", b"{}\n"):
        with pytest.raises(errors.BadDialect):
            framer.feed(data)
    assert not framer.mid_frame


def test_lines_may_end_in_crlf_and_be_blank_between():
    assert bodies(b'{"a":1}\r\n\r\n \n\n{"b":2}\n\n') == [b'{"a":1}', b'{"b":2}']


def test_a_last_line_without_a_line_feed_counts_at_the_end_of_input():
    framer = Framer()
    assert [*framer.feed(b'{"a":1}')] == []
    assert framer.mid_frame
    assert [*framer.end()] == [b'{"a":1}']
    assert [*framer.end()] == []
    assert not framer.mid_frame


def test_half_a_frame_at_the_end_of_input_is_nothing():
    framer = Framer()
    assert [*framer.feed(frame(b"x") + frame(b"abc")[:-1])] == [b"x"]
    assert framer.mid_frame
    assert [*framer.end()] == []


def test_bodies_that_were_not_taken_come_with_the_next_call():
    framer = Framer()
    assert next(framer.feed(frame(b"1") + frame(b"2"))) == b"1"
    assert [*framer.feed(frame(b"3"))] == [b"2", b"3"]


# ---- caps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("good", "bad", "error"),
    [
        (frame(b"123456789012"), frame(b"1234567890123")[:4], errors.FrameTooLarge),
        (frame(b"1"), b"\xff\xff\xff\xff", errors.FrameTooLarge),
        (frame(b"1"), b"\0\0\0\0", errors.BadMessage),
        (b"{2345678901}\n", b"{23456789012}", errors.FrameTooLarge),
        (b"{2345678901}\n", b"{23456789012}\n", errors.FrameTooLarge),
    ],
)
def test_what_is_too_large_or_empty_ends_the_framing_after_the_bodies_in_front_of_it(good, bad, error):
    framer = Framer(limit=12)
    taken = framer.feed(good + bad + b"{}\n" * 100)
    assert good.strip().endswith(next(taken))
    with pytest.raises(error) as caught:
        next(taken)
    with pytest.raises(error):
        framer.feed(b"more")
    assert ends_connection(caught.value)
    assert not framer.mid_frame


def test_the_largest_frame_passes():
    body = b"x" * wire.MAX_FRAME
    assert [body] == bodies(frame(body))


def test_a_message_over_the_cap_is_not_sent():
    chat = wire.Chat(id=7, messages=[wire.Message("user", "x" * wire.MAX_FRAME)])
    with pytest.raises(errors.FrameTooLarge, match=r"`chat` message has 16,777,\d+ bytes") as caught:
        encode(chat, "frames")
    assert caught.value.request_id == 7


@pytest.mark.parametrize("size", [1, 1000])
@dialects
def test_the_cost_is_linear_whatever_the_chunking(dialect, size):
    """Twenty thousand frames at once, and a long one in little pieces: minutes, if each cost the whole buffer."""
    many = encode(wire.Resume(id=1), dialect) * 20_000
    long = encode(wire.Chat(id=1, messages=[wire.Message("user", "x" * 200 * size * 10)]), dialect)
    start = time.process_time()
    assert len(bodies(many)) == 20_000
    framer = Framer()
    found = [body for at in range(0, len(long), size) for body in framer.feed(long[at : at + size])]
    assert len(found) == 1
    assert time.process_time() - start < 5


# ---- requests that are none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "number", "field"),
    [
        (b'{"id":3,"type":"dance"}', "unknown_type", 3, None),
        (b'{"id":3,"type":"routed"}', "unknown_type", 3, None),
        (b'{"id":3}', "bad_request", 3, "type"),
        (b'{"id":3,"type":7}', "bad_request", 3, "type"),
        (b'{"id":3,"type":"chat"}', "bad_request", 3, "messages"),
        (b'{"id":3,"type":"chat","messages":"hi"}', "bad_request", 3, "messages"),
        (b'{"id":3,"type":"chat","messages":[{"content":"hi"}]}', "bad_request", 3, "messages[0].role"),
        (b'{"id":3,"type":"chat","messages":[{"role":1}]}', "bad_request", 3, "messages[0].role"),
        (b'{"id":3,"type":"chat","messages":[{"role":"user"}],"priority":"now"}', "bad_request", 3, "priority"),
        (b'{"id":3,"type":"chat","messages":[{"role":"user"}],"deadline":1e999}', "bad_request", 3, "deadline"),
        (b'{"id":3,"type":"chat","messages":[]}', "bad_request", 3, "messages"),
        (b'{"id":3,"type":"hold","seconds":-1}', "bad_request", 3, "seconds"),
        (b'{"type":"status"}', "bad_request", None, "id"),
        (b'{"id":"3","type":"status"}', "bad_request", None, "id"),
        (b'{"id":true,"type":"status"}', "bad_request", None, "id"),
        (b'{"id":1.5,"type":"status"}', "bad_request", None, "id"),
        (b'{"id":1e999,"type":"status"}', "bad_request", None, "id"),
        (b"[]", "bad_message", None, None),
        (b"{", "bad_message", None, None),
        (b"{}{}", "bad_message", None, None),
        (b'{"a":\xff', "bad_message", None, None),
        (b'{"a":' + b"[" * 100_000, "bad_message", None, None),
    ],
)
@dialects
def test_each_fault_has_its_code_its_id_and_its_field(dialect, body, code, number, field):
    if dialect == "frames":
        try:
            body = msgspec.msgpack.encode(msgspec.json.decode(body))
        except (msgspec.DecodeError, RecursionError):
            body = b"\xc1"
            code, number, field = "bad_message", None, None
    fault = fault_of(body, dialect)
    assert (code, number, field) == (fault.code, fault.request_id, fault.detail.get("field"))
    assert ends_connection(fault) == (code == "bad_message")
    assert (number, code, fault.message) == (error_reply(fault).id, error_reply(fault).code, str(fault))
    assert field is None or field in str(fault)


@pytest.mark.parametrize(
    "body",
    [
        b"\x80",  # no id at all
        b"\x81\x01\x02",  # a key that is no string
        b"\x81\x80\x01",  # a key that is a map
        b"\x81\xa1\xff\x01",  # a key that is no UTF-8
        b"\x93\x01\x02\x03",
        b"\xdd\xff\xff\xff\xff",  # an array of four billion
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 100_000,
    ],
)
def test_bad_msgpack_is_an_error_and_nothing_else(body):
    assert fault_of(body, "frames").code in {"bad_message", "bad_request"}


def test_msgpack_extensions_have_no_place_in_a_free_field():
    chat = {"id": 3, "type": "chat", "messages": [{"role": "user"}], "options": {"a": msgspec.msgpack.Ext(5, b"x")}}
    fault = fault_of(msgspec.msgpack.encode(chat), "frames")
    assert (fault.code, fault.request_id) == ("bad_request", 3)
    assert "extension type 5" in str(fault)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (
            {"type": "select", "model": None, "role": "cook"},
            "select.role: invalid enum value 'cook'; there are coding, ",
        ),
        ({"type": "watch", "kinds": ["log", "x"]}, "watch.kinds[1]: invalid enum value 'x'; there are residency, "),
    ],
)
def test_a_word_that_is_none_of_a_few_is_told_with_them(request_, told):
    body = msgspec.json.encode({"id": 1, **request_})
    assert fault_of(body).message.startswith(told)


def test_unknown_keys_are_ignored():
    assert wire.Resume(id=3) == decode_request(b'{"id":3,"type":"resume","colour":"red"}', "lines")


def test_an_answer_that_protocol_1_does_not_know_is_a_bad_message():
    with pytest.raises(errors.BadMessage):
        decode_reply(b'{"id":3,"type":"sung"}', "lines")


def test_a_reply_round_trips_in_the_dialect_of_the_peer():
    for dialect in DIALECTS:
        for reply in REPLIES:
            assert [reply] == [decode_reply(body, dialect) for body in bodies(encode(reply, dialect), dialect)]


def test_names_are_those_of_the_wire():
    assert [name_of(one) for one in (wire.Chat, wire.RouteAsk, wire.RouteReply)] == ["chat", "route", "route"]


def test_a_hundred_thousand_random_byte_strings_neither_crash_it_nor_stay_in_memory():
    chance = random.Random(1)
    whole = [encode(one, dialect) for one in REQUESTS for dialect in DIALECTS]
    codes: set[str] = set()
    before = 0
    for round_number in range(100_000):
        codes.add(_feed_nonsense(chance, whole))
        if round_number == 90_000:  # tracing makes it three times as slow
            tracemalloc.start()
        if round_number == 91_000:
            before = tracemalloc.get_traced_memory()[0]
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert {"", "bad_dialect", "bad_message", "bad_request", "frame_too_large", "unknown_type"} <= codes
    assert grown < 200_000


def _feed_nonsense(chance: random.Random, whole: list[bytes]) -> str:
    """Random bytes, or a good message with a few bytes changed; the code of the last fault."""
    if chance.random() < 0.3:
        data = bytearray(chance.choice((b"", b"{", b"\0", b"\0\0\0\x10")) + chance.randbytes(chance.randrange(60)))
    else:
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.choice((chance.randrange(256), 0x22, 0x7B, 0x0A, 0x30))
    framer = Framer()
    code = ""
    try:
        for body in framer.feed(data):
            try:
                decode_request(body, framer.dialect)
            except errors.InnkeepError as fault:
                code = fault.code
                encode(error_reply(fault), framer.dialect)
    except errors.InnkeepError as fault:
        code = fault.code
    return code


def test_an_integer_beyond_64_bits_goes_out_in_frames_too():
    calls = [{"function": {"arguments": {"n": 2**70, "m": -(2**63), "o": 10**400, "p": [2**64, True]}}}]
    body = encode(wire.Delta(id=1, tool_calls=calls), "frames")[4:]
    told = decode_reply(body, "frames").tool_calls[0]["function"]["arguments"]
    assert told == {"n": float(2**70), "m": -(2**63), "o": f"{10**400:#x}", "p": [float(2**64), True]}
