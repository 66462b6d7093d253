"""A connection on a real socket, where halves are closed and peers vanish; the flow tests speak in memory."""

import socket

import anyio
import pytest
from anyio.abc import UNIXSocketStream

from innkeep import wire
from innkeepd.chat.types import RequestFailed
from innkeepd.server.socket import session as room
from innkeepd.server.socket.session import Session


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Pair:
    """A session at work, and its peer's end of the socket."""

    def __init__(self, verbs, stuck=10.0):
        ours, self.raw = socket.socketpair()
        for one in (ours, self.raw):
            one.setblocking(False)
        self._ours = ours
        self._verbs = verbs
        self._stuck = stuck
        self.over = anyio.Event()

    async def serve(self):
        stream = await UNIXSocketStream.from_socket(self._ours)
        self.session = Session(stream, self._verbs, patience=lambda: self._stuck)
        try:
            await self.session.run()
        finally:
            self.over.set()

    async def hear(self):
        """Everything until the session closes."""
        async with await UNIXSocketStream.from_socket(self.raw) as stream:
            return b"".join([chunk async for chunk in stream])


def asks(kind, number=1, **more):
    body = {"type": kind, "id": number} | more
    return wire_line(body)


def wire_line(body):
    import json

    return json.dumps(body).encode() + b"\n"


class Slow:
    """A verb that answers when told to."""

    def __init__(self):
        self.go = anyio.Event()
        self.began = anyio.Event()
        self.cancelled = anyio.Event()

    async def __call__(self, session, asked):
        self.began.set()
        try:
            await self.go.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise
        session.send(wire.Resumed(id=asked.id))


@pytest.mark.anyio
async def test_a_half_closed_peer_still_gets_its_answer_and_then_the_end():
    slow = Slow()
    pair = Pair({wire.Resume: slow})
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.serve)
            pair.raw.send(asks("resume"))
            pair.raw.shutdown(socket.SHUT_WR)
            await slow.began.wait()
            await anyio.wait_all_tasks_blocked()
            slow.go.set()
            assert await pair.hear() == b'{"type":"resumed","was_held":true,"warning":null,"id":1}\n'
            await pair.over.wait()


@pytest.mark.anyio
async def test_the_last_line_of_a_half_closed_peer_needs_no_line_feed():
    slow = Slow()
    slow.go.set()
    pair = Pair({wire.Resume: slow})
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.serve)
            pair.raw.send(asks("resume")[:-1])
            pair.raw.shutdown(socket.SHUT_WR)
            assert b"resumed" in await pair.hear()


@pytest.mark.anyio
async def test_a_peer_that_is_gone_altogether_cancels_what_it_had_asked(monkeypatch):
    monkeypatch.setattr(room, "DESERTED_EVERY", 0.0)
    slow = Slow()
    pair = Pair({wire.Resume: slow})
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.serve)
            pair.raw.send(asks("resume"))
            await slow.began.wait()
            pair.raw.close()
            await slow.cancelled.wait()
            await pair.over.wait()


@pytest.mark.anyio
async def test_a_half_closed_peer_that_leaves_later_cancels_what_it_had_asked(monkeypatch):
    monkeypatch.setattr(room, "DESERTED_EVERY", 0.01)
    slow = Slow()
    pair = Pair({wire.Resume: slow})
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.serve)
            pair.raw.send(asks("resume"))
            pair.raw.shutdown(socket.SHUT_WR)
            await slow.began.wait()
            await anyio.wait_all_tasks_blocked()
            assert not slow.cancelled.is_set()
            pair.raw.close()
            await slow.cancelled.wait()
            await pair.over.wait()


@pytest.mark.anyio
async def test_a_stop_of_the_daemon_still_tells_what_was_to_be_told():
    async def last_words(session, asked):
        session.send(wire.Error(id=asked.id, code="shutting_down", message="bye"))
        tasks.cancel_scope.cancel()

    pair = Pair({wire.Resume: last_words})
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.serve)
            pair.raw.send(asks("resume"))
        assert b"shutting_down" in await pair.hear()


@pytest.mark.anyio
async def test_a_failure_of_a_verb_is_told_with_its_code_and_whether_it_may_be_tried_again():
    async def fails(_session, _asked):
        raise RequestFailed("queue_full", "later", {"attempts": []})

    pair = Pair({wire.Resume: fails})
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.serve)
            pair.raw.send(asks("resume"))
            pair.raw.shutdown(socket.SHUT_WR)
            told = await pair.hear()
    assert b'"code":"queue_full"' in told
    assert b'"retryable":true' in told


@pytest.mark.anyio
async def test_a_reply_over_the_largest_frame_is_an_error_under_its_id():
    async def shouts(session, asked):
        session.send(wire.History(id=asked.id, records=[{"x": "y" * wire.MAX_FRAME}]))

    pair = Pair({wire.Resume: shouts})
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.serve)
            pair.raw.send(asks("resume", 5))
            pair.raw.shutdown(socket.SHUT_WR)
            told = await pair.hear()
    assert b'"id":5,"code":"frame_too_large"' in told


@pytest.mark.anyio
async def test_it_says_who_it_is():
    pair = Pair({})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pair.serve)
        await anyio.wait_all_tasks_blocked()
        assert repr(pair.session) == "<Session unnamed, 0 open>"
        pair.raw.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("line", "code"),
    [
        (
            b'{"type":"chat","id":1,"messages":[{"role":"user"}],"options":{"a":' + b"[" * 600 + b"]" * 600 + b"}}",
            "bad_request",
        ),
        (b'{"type":"chat","id":1,"options":{"a":[' + b"[]," * 100_000 + b"[]]}}", "bad_message"),
    ],
    ids=["deep", "bulky"],
)
async def test_what_is_too_deep_or_too_much_is_told_before_it_holds_anybody_up(line, code):
    async def welcome(session, asked):
        session.send(wire.Welcome(id=asked.id, protocol=1, daemon="test", pid=1))

    pair = Pair({wire.Hello: welcome})
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.serve)
            async with await UNIXSocketStream.from_socket(pair.raw) as stream:
                await stream.send(line + b"\n" + asks("hello", 2, protocol=1))
                await stream.send_eof()
                told = b"".join([chunk async for chunk in stream])
            assert f'"code":"{code}"'.encode() in told
            assert (b"welcome" in told) is (code == "bad_request")
