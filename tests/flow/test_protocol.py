"""The socket's protocol through a whole daemon: what is wrong is told once, by name, and nobody else notices."""

import gc
import json
import random

import anyio
import pytest

from innkeep import wire
from innkeep.framing import encode
from innkeepd import __version__
from support.daemon import LLAMA8, lines_of, open_daemon

pytestmark = pytest.mark.anyio


async def say(daemon, data, *, then_wait=0.0):
    """Send bytes on a new connection, close the sending side and hear everything that comes back."""
    stream = daemon.wire()
    await stream.send(data)
    await anyio.sleep(then_wait)
    await stream.send_eof()
    return await lines_of(stream)


async def reply_to(daemon, line):
    """The one reply to one line, on a connection that is shown to live on."""
    data = (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
    replies = await say(daemon, data + b'{"type":"hello","id":99,"protocol":1}\n', then_wait=1.0)
    (reply,) = (each for each in replies if each.id != 99)
    assert isinstance(next(each for each in replies if each.id == 99), wire.Welcome)
    return reply


async def test_anything_but_the_two_dialects_is_refused_and_closed():
    async with open_daemon() as daemon:
        (error,) = await say(daemon, b"GET / HTTP/1.1\r\n\r\n")
        assert (error.id, error.code) == (None, "bad_dialect")


@pytest.mark.parametrize("line", [b"{]", b"{nonsense}", b'{"a":1', b'{"type":"hello","id":1,"protocol":1}x'])
async def test_a_line_that_is_no_map_ends_the_connection(line):
    async with open_daemon() as daemon:
        (error,) = await say(daemon, line + b"\n")
        assert (error.id, error.code) == (None, "bad_message")


async def test_a_frame_that_is_no_map_ends_the_connection_in_frames():
    async with open_daemon() as daemon:
        stream = daemon.wire()
        await stream.send(b"\0\0\0\1\x90")
        assert b"bad_message" in await stream.receive()
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()


async def test_a_frame_that_is_too_large_is_refused_by_its_length_alone():
    async with open_daemon() as daemon:
        stream = daemon.wire()
        await stream.send(encode(wire.StatusAsk(id=1), "frames"))
        await stream.receive()
        await stream.send(b"\x01\0\0\0")
        assert b"frame_too_large" in await stream.receive()


async def test_an_unknown_type_is_told_under_its_id_and_the_connection_lives_on():
    async with open_daemon() as daemon:
        error = await reply_to(daemon, {"type": "dance", "id": 3})
        assert (error.id, error.code) == (3, "unknown_type")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"type": "chat", "id": 1}, "messages"),
        ({"type": "chat", "id": 1, "messages": []}, "messages"),
        ({"type": "chat", "id": 1, "messages": [{"role": "user", "content": "x"}], "deadline": -1}, "deadline"),
        ({"type": "chat", "id": 1, "messages": [{"role": "user", "content": "x"}], "role": "cook"}, "role"),
        ({"type": "chat", "id": 1, "messages": [{"role": 7}]}, "messages[0].role"),
        ({"type": "chat", "id": 1, "messages": [{"role": "user"}], "fallbacks": ["a"]}, "fallbacks"),
        ({"type": "unload", "id": 1}, "model"),
        ({"type": "hold", "id": 1, "seconds": -3}, "seconds"),
        ({"type": "route", "id": 1}, "messages"),
        ({"type": "load", "id": 1, "model": ""}, "model"),
        ({"type": "history", "id": 1, "limit": -1}, "limit"),
    ],
)
async def test_a_field_that_is_missing_wrong_or_contradictory_is_named(request_, field):
    async with open_daemon() as daemon:
        error = await reply_to(daemon, request_)
        assert (error.id, error.code, error.detail["field"]) == (1, "bad_request", field)


async def test_an_id_that_is_still_open_is_refused():
    async with open_daemon() as daemon:
        watch = b'{"type":"watch","id":1,"kinds":["memory"]}\n'
        replies = await say(daemon, watch + b'{"type":"status","id":1}\n', then_wait=1.0)
        assert [type(each) for each in replies[:2]] in ([wire.Error, wire.Status], [wire.Status, wire.Error])
        error = next(each for each in replies if isinstance(each, wire.Error))
        assert (error.code, error.detail["field"]) == ("bad_request", "id")


async def test_a_peer_that_is_silent_in_mid_frame_for_thirty_seconds_is_closed():
    async with open_daemon() as daemon:
        stream = daemon.wire()
        await stream.send(b'{"type":"sta')
        began = anyio.current_time()
        (error,) = await lines_of(stream)
        assert (error.code, anyio.current_time() - began) == ("bad_message", pytest.approx(30, abs=1))
        assert "30 s" in error.message


async def test_a_peer_that_is_silent_between_frames_may_be_so_for_ever():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.status()
        await anyio.sleep(7200)
        assert isinstance(await client.status(), wire.Status)


async def test_hello_tells_the_daemon_and_a_protocol_above_ours_is_refused():
    async with open_daemon() as daemon:
        client = daemon.connect()
        welcome = await client.answer(wire.Hello(id=0, protocol=1, client="a test"))
        assert (welcome.protocol, welcome.daemon) == (1, __version__)
        error = await client.answer(wire.Hello(id=0, protocol=2))
        assert (error.code, error.detail) == ("unsupported_protocol", {"protocol": 1})
        await client.chat_to_end("hi", model=LLAMA8)
        assert daemon.records[-1]["client"] == "a test"


async def test_unknown_keys_are_ignored():
    async with open_daemon() as daemon:
        assert isinstance(await reply_to(daemon, {"type": "status", "id": 1, "colour": "blue"}), wire.Status)


async def test_a_chat_in_lines_streams_lines():
    async with open_daemon() as daemon:
        stream = daemon.wire()
        ask = {"type": "chat", "id": 4, "model": LLAMA8, "messages": [{"role": "user", "content": "안녕?"}]}
        await stream.send(json.dumps(ask, ensure_ascii=False).encode() + b"\n")
        data = b""
        with anyio.fail_after(60):
            while b'"type":"done"' not in data:
                data += await stream.receive()
        kinds = [json.loads(line)["type"] for line in data.splitlines()]
        assert (kinds[0], kinds[-1]) == ("routed", "done")
        assert {"loading", "started", "delta"} < set(kinds)
        assert {json.loads(line)["id"] for line in data.splitlines()} == {4}


async def test_a_fault_of_ours_in_a_verb_is_internal_and_the_connection_lives_on(monkeypatch):
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.status()

        def broken(*_args, **_more):
            raise RuntimeError("a bug")

        monkeypatch.setattr(daemon.app.dispatcher.selector, "route", broken)
        error = await client.chat_to_end("hi")
        assert error.code == "internal"
        assert "RuntimeError" in error.message
        monkeypatch.undo()
        assert isinstance(await client.chat_to_end("hi", model=LLAMA8), wire.Done)


async def test_a_fault_of_ours_on_a_connection_ends_that_one_alone(monkeypatch):
    async with open_daemon() as daemon:
        warned = []
        monkeypatch.setattr(daemon.door, "_warn", warned.append)
        client = daemon.connect()
        await client.status()
        with monkeypatch.context() as patch:

            def broken(*_args, **_more):
                raise RuntimeError("a bug")

            patch.setattr("innkeepd.server.socket.session.decode_request", broken)
            victim = daemon.wire()
            await victim.send(b'{"type":"status","id":1}\n')
            assert await lines_of(victim) == []
            await anyio.sleep(1)
        assert "RuntimeError" in warned[0]
        assert isinstance(await client.status(), wire.Status)


async def test_a_hundred_thousand_random_byte_strings_neither_crash_the_daemon_nor_stay_in_it():
    dice = random.Random(7)
    starts = [
        b"",
        b"\0",
        b"{",
        b"\0\0\0\x08",
        b'{"type":"chat","id":1,',
        b'{"type":"',
        encode(wire.Resume(id=1), "lines"),
    ]
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.status()
        kept = []
        for round_ in range(10):
            for _ in range(400):
                stream = daemon.wire(room=1 << 20)
                strings = (dice.choice(starts) + dice.randbytes(dice.randrange(40)) for _ in range(25))
                await stream.send(b"\n".join(strings))
                await stream.aclose()
            await anyio.sleep(40)
            gc.collect()
            kept.append(len(gc.get_objects()))
            assert daemon.door._connected == 1, round_
        assert max(kept[2:]) < kept[1] * 1.02, kept
        assert isinstance(await client.status(), wire.Status)
        assert daemon.is_quiet()


async def test_one_connection_that_says_thousands_of_wrong_things_is_answered_each_time():
    dice = random.Random(8)
    kinds = ["chat", "embed", "route", "cancel", "select", "load", "unload", "pin", "hold", "history", "feedback", "x"]
    values = [None, 0, -1, 2**70, 0.5, "", "x", "\u0000", [], [[]], {}, {"a": []}, True, [{"role": 1}]]
    fields = ["messages", "model", "role", "seconds", "target", "limit", "request", "text", "all", "input", "deadline"]
    async with open_daemon() as daemon:
        stream, answered = daemon.wire(room=1 << 16), []

        async def speak():
            for number in range(5_000):
                said = {dice.choice(fields): dice.choice(values) for _ in range(dice.randrange(4))}
                said |= {"type": dice.choice(kinds), "id": number}
                await stream.send(json.dumps(said).encode() + b"\n")
                await anyio.sleep(0.01)
            await anyio.sleep(60)
            await stream.send_eof()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(speak)
            answered = await lines_of(stream)
        assert {each.id for each in answered} == set(range(5_000))
        assert not [each for each in answered if isinstance(each, wire.Error) and each.code == "internal"]
        assert daemon.is_quiet()
        assert daemon.simulator.violations == []
