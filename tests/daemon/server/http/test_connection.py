"""What a stranger may send and leave unsaid before a token is asked for, on real sockets; asyncio only."""

import asyncio
import gc
import resource
import socket
import sys
import weakref
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from innkeepd.chat.sink import ClientStuck
from innkeepd.config.schema import HttpConfig
from innkeepd.server.http import connection
from innkeepd.server.http.access import AccessGuard
from innkeepd.server.http.connection import CONNECTIONS, HEAD, HEADERS, PIPELINED, REST, Connection
from innkeepd.server.http.errors import HttpFault
from innkeepd.server.http.response import CUT, FULL, Response
from innkeepd.server.http.server import serving

pytestmark = pytest.mark.anyio

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def anyio_backend():
    return "asyncio"


class App:
    """Answers strangers with 401; ``/wait`` begins and never ends, ``/flood`` writes until its client is stuck."""

    def __init__(self):
        self.guard = AccessGuard(HttpConfig(token="t"), hostname="studio")
        self.running = 0
        self.ended = anyio.Event()
        self.stuck = 0

    async def __call__(self, scope, receive, send):
        self.running += 1
        said = scope["extensions"]
        reply = Response(send, extra=[], is_full=said[FULL], cut=said[CUT], patience=0.05)
        try:
            await self.answer(scope, receive, reply)
        except ClientStuck:
            self.stuck += 1
        finally:
            self.running -= 1
            self.ended.set()

    async def answer(self, scope, receive, reply):
        if scope["path"] == "/wait":
            await reply.head(200, [])
            await reply.write(b"still here")
            while (await receive())["type"] != "http.disconnect":
                pass
        elif scope["path"] == "/flood":
            await reply.head(200, [])
            while True:
                await reply.write(b"x" * 65536)
        else:
            try:
                self.guard.check(dict(scope["headers"]))
            except HttpFault as fault:
                await reply.fault("native", fault)


@pytest.fixture
async def app():
    return App()


async def _all(line):
    """Everything until the other side closes."""
    told = b""
    with anyio.fail_after(10):
        try:
            while True:
                told += await line.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return told


async def _send(line, data):
    try:
        await line.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return False
    return True


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost:", b"\r\n\r\n"])
async def test_who_says_nothing_or_half_a_head_is_closed_in_time(app, monkeypatch, said):
    monkeypatch.setattr(connection, "HEAD_WITHIN", 0.05)
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        await line.send(said)
        assert await _all(line) == b""


async def test_a_body_that_its_answer_did_not_want_has_as_long_as_a_head(app, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_WITHIN", 0.05)
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        await line.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        assert (await _all(line)).startswith(b"HTTP/1.1 401 ")


async def test_a_running_answer_is_not_ended_by_a_head_that_does_not_come(app, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_WITHIN", 0.02)
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        await line.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\nGET / HT")
        with anyio.move_on_after(0.2) as patience:
            while True:
                await line.receive()
        assert patience.cancelled_caught
        assert app.running == 1


async def test_an_answered_connection_that_sends_only_line_feeds_is_closed(app, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_WITHIN", 0.2)
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        await line.send(ASK)
        assert (await line.receive()).startswith(b"HTTP/1.1 401 ")
        await line.send(b"\r\n")
        assert await _all(line) == b""


async def test_one_connection_too_many_closes_the_one_that_is_idle_for_longest(app, monkeypatch):
    monkeypatch.setattr(connection, "CONNECTIONS", 3)
    async with serving(app, "127.0.0.1", 0) as port:
        busy, old, new = [await anyio.connect_tcp("127.0.0.1", port) for _ in range(3)]
        await busy.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await busy.receive()
        for line in (old, new):
            await line.send(ASK)
            await line.receive()
        last = await anyio.connect_tcp("127.0.0.1", port)
        assert await _all(old) == b""
        for line in (new, last):
            await line.send(ASK)
            assert (await line.receive()).startswith(b"HTTP/1.1 401 ")
        assert app.running == 1
        for line in (busy, old, new, last):
            await line.aclose()


async def test_where_all_are_busy_the_new_one_is_told_so(app, monkeypatch):
    monkeypatch.setattr(connection, "CONNECTIONS", 1)
    monkeypatch.setattr(connection, "LINGER", 0.01)
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as busy:
        await busy.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await busy.receive()
        async with await anyio.connect_tcp("127.0.0.1", port) as late:
            assert (await _all(late)).startswith(b"HTTP/1.1 503 ")
        assert app.running == 1


@pytest.mark.parametrize(
    "endless",
    [b"a: b\r\n", b"x" * 1000],
    ids=["many trailers", "one long trailer"],
)
async def test_trailers_without_end_are_cut_off_and_cost_nothing(app, endless):
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        await line.send(CHUNKED + b"0\r\n" + (b"" if b"\r" in endless else b"a: "))
        assert (await line.receive()).startswith(b"HTTP/1.1 401 ")
        sent = 0
        while sent < 64 * HEAD and await _send(line, endless * 1000):
            sent += len(endless) * 1000
        assert sent < 64 * HEAD


async def test_chunk_extensions_without_end_are_cut_off(app):
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        await line.send(CHUNKED + b"1;")
        await line.receive()
        sent = 0
        while sent < 64 * HEAD and await _send(line, b"x" * 65536):
            sent += 65536
        assert sent < 64 * HEAD


async def test_trailers_of_a_few_lines_are_passed_over(app):
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        for _ in range(2):
            await line.send(CHUNKED + b"1\r\nx\r\n0\r\na: b\r\n\r\n")
            assert (await line.receive()).startswith(b"HTTP/1.1 401 ")


async def test_a_head_of_more_lines_than_anybody_needs_is_refused(app, monkeypatch):
    monkeypatch.setattr(connection, "LINGER", 0.01)
    async with serving(app, "127.0.0.1", 0) as port:
        for lines, status in ((HEADERS - 2, b"401"), (HEADERS - 1, b"431")):
            async with await anyio.connect_tcp("127.0.0.1", port) as line:
                await line.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * lines + b"Content-Length: 1\r\n\r\nx")
                assert (await line.receive()).startswith(b"HTTP/1.1 " + status)


async def test_thousands_of_pipelined_requests_are_all_answered_in_turn(app):
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        many = 8000
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_send, line, ASK * many)
            count, told = 0, b""
            with anyio.fail_after(30):
                while count < many:
                    told += await line.receive()
                    *ended, told = told.split(b"HTTP/1.1 401 ")
                    count += len(ended)
        assert count == many


async def test_more_than_a_few_requests_behind_a_body_are_cut_off(app):
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        body = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000
        await line.send(body + ASK * (PIPELINED + 50))
        assert (await _all(line)).count(b"HTTP/1.1 401 ") < PIPELINED


async def test_a_body_that_nobody_wants_is_not_read_to_its_end(app, monkeypatch):
    monkeypatch.setattr(connection, "LINGER", 0.05)
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        await line.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert (await line.receive()).startswith(b"HTTP/1.1 401 ")
        sent = 0
        while sent < 64 * REST and await _send(line, b"x" * 65536):
            sent += 65536
        assert sent < 64 * REST


async def test_a_client_that_reads_nothing_is_cut_off(app):
    async with serving(app, "127.0.0.1", 0) as port, await anyio.connect_tcp("127.0.0.1", port) as line:
        await line.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        with anyio.fail_after(10):
            await app.ended.wait()
        assert app.stuck == 1


async def test_who_leaves_behind_pipelined_requests_ends_the_one_that_runs(app):
    async with serving(app, "127.0.0.1", 0) as port:
        async with await anyio.connect_tcp("127.0.0.1", port) as line:
            await line.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" + ASK * 3)
            await line.receive()
        with anyio.fail_after(10):
            await app.ended.wait()
        assert app.running == 0


async def test_what_was_kept_for_a_connection_is_let_go_of_without_the_garbage_collector(app, monkeypatch):
    seen = []
    made = Connection.connection_made

    def remember(self, transport):
        seen.append(weakref.ref(self))
        made(self, transport)

    monkeypatch.setattr(Connection, "connection_made", remember)
    async with serving(app, "127.0.0.1", 0) as port:
        gc.collect()
        gc.disable()
        try:
            for said in (ASK, CHUNKED + b"0\r\na: b\r\n", b"GET / HT", b""):
                async with await anyio.connect_tcp("127.0.0.1", port) as line:
                    await line.send(said)
                    if said.endswith(b"\n"):
                        await line.receive()
            with anyio.fail_after(5):
                while any(each() is not None for each in seen):
                    await anyio.lowlevel.checkpoint()
        finally:
            gc.enable()
    assert len(seen) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
async def test_all_that_strangers_may_hold_is_64_mb_and_is_given_back(app):
    """256 connections, each with the most that may be kept: half a head of the longest, or requests in a queue."""
    heads = [b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * (HEADERS - 2) + b"b: " + b"c" * (HEAD - 4096)]
    heads += [b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" + ASK * 4000, CHUNKED + b"0\r\n" + b"a: b\r\n" * 10_000]
    async with serving(app, "127.0.0.1", 0) as port:
        before = _rss()
        for head in heads:
            lines = []
            for _ in range(CONNECTIONS):
                line = socket.create_connection(("127.0.0.1", port))
                line.setblocking(False)
                lines.append(line)
                rest = memoryview(head)
                for _ in range(20):
                    with suppress(OSError):
                        rest = rest[line.send(rest) :]
                    await asyncio.sleep(0)
            assert (_rss() - before) < 64 * 2**20
            for line in lines:
                line.close()
            for _ in range(10):
                await asyncio.sleep(0)
        assert (_rss() - before) < 64 * 2**20


def _rss():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
