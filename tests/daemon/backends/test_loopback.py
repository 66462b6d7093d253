import asyncio
import gzip
import socket
from contextlib import asynccontextmanager, suppress

import anyio
import httpx2
import pytest
from anyio.abc import SocketAttribute

from innkeepd.backends import loopback
from innkeepd.backends.backend import BackendFault
from innkeepd.backends.http import MAX_BODY, HttpClient, Unreachable
from innkeepd.backends.loopback import MOST_KEPT, READ_AHEAD, SENT_AT_ONCE, Connection
from innkeepd.machine.sleep import Instant

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Server:
    """A real server on loopback that says what its test wants; ``left`` is set once a client went away."""

    def __init__(self):
        self.seen = []
        self.bodies = []
        self.connections = 0
        self.left = anyio.Event()
        self.url = ""

    async def request(self, stream):
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive()
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += await stream.receive()
        self.seen.append(head.decode().lower())
        self.bodies.append(body)

    async def wait_for_leave(self, stream):
        try:
            await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.left.set()


@asynccontextmanager
async def serving(talk, path=""):
    server = Server()

    async def serve(stream):
        server.connections += 1
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                await talk(server, stream)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        server.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}{path}"
        transport = HttpClient(server.url + "/", connect_timeout=2)
        await transport.open()
        try:
            yield server, transport
        finally:
            await transport.aclose()
            group.cancel_scope.cancel()


def answer(body, *headers, status="200 OK"):
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


def always(reply):
    async def talk(server, stream):
        while True:
            await server.request(stream)
            await stream.send(reply)

    return talk


async def fetch(transport, *request):
    async with transport.request(*request) as reply:
        return reply.status, reply.headers, await reply.read()


async def test_requests_go_out_plainly_and_share_a_kept_connection():
    async with serving(always(answer(b"hi", "X-Thing: 1", "Set-Cookie: a=b")), path="/base") as (server, transport):
        assert (transport.url, repr(transport)) == (server.url, f"<HttpClient {server.url}>")
        for _ in range(2):
            status, headers, body = await fetch(
                transport, "POST", "/api/x%20y?z=1", b"{}", {"content-type": "application/json"}
            )
        assert (status, headers["x-thing"], body) == (200, "1", b"hi")
        assert server.connections == 1
        assert server.bodies == [b"{}", b"{}"]
        assert server.seen[1].startswith("post /base/api/x%20y?z=1 http/1.1")
        assert "cookie" not in server.seen[1]
        assert "accept-encoding: identity" in server.seen[1]
        assert "content-type: application/json" in server.seen[1]


async def test_error_statuses_and_redirects_are_answers():
    async with serving(always(answer(b"there", "Location: /other", status="302 Found"))) as (server, transport):
        assert (await fetch(transport, "GET", "/"))[0] == 302
        assert len(server.seen) == 1


async def test_a_compressed_body_is_passed_on_as_it_is():
    packed = gzip.compress(b"hello")
    async with serving(always(answer(packed, "Content-Encoding: gzip"))) as (_, transport):
        assert (await fetch(transport, "GET", "/"))[2] == packed


async def test_a_large_request_is_sent_whole():
    body = b"x" * (3 * 2**20)
    async with serving(always(answer(b""))) as (server, transport):
        await fetch(transport, "POST", "/", body)
        assert server.bodies == [body]
        assert "transfer-encoding" not in server.seen[0]


async def test_chunks_come_as_they_are_sent_and_leaving_early_tells_the_server():
    more = anyio.Event()

    async def talk(server, stream):
        await server.request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await more.wait()
        await stream.send(b"3\r\ntwo\r\n")
        await server.wait_for_leave(stream)

    async with serving(talk) as (server, transport):
        async with transport.request("GET", "/") as reply:
            chunks = reply.chunks()
            assert await anext(chunks) == b"one"
            more.set()
            assert await anext(chunks) == b"two"
            assert not server.left.is_set()
        with anyio.fail_after(5):
            await server.left.wait()


async def test_a_client_that_is_cancelled_before_the_head_leaves_too():
    asked = anyio.Event()

    async def talk(server, stream):
        await server.request(stream)
        asked.set()
        await server.wait_for_leave(stream)

    async with serving(talk) as (server, transport):
        async with anyio.create_task_group() as group:
            group.start_soon(fetch, transport, "GET", "/")
            await asked.wait()
            group.cancel_scope.cancel()
        with anyio.fail_after(5):
            await server.left.wait()


async def test_a_slow_reader_stops_the_server_instead_of_filling_memory():
    sent = 0

    async def talk(server, stream):
        nonlocal sent
        await server.request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            await stream.send(b"x" * 2**20)
            sent += 2**20

    async with serving(talk) as (_, transport), transport.request("GET", "/") as reply:
        before = -1
        while sent != before:  # until the sockets' own buffers are full
            before = sent
            await anyio.wait_all_tasks_blocked()
            await anyio.sleep(0.05)
        assert sent < 64 * 2**20
        assert next(iter(transport._transport._all))._unread <= 4 * READ_AHEAD
        assert len(await anext(reply.chunks())) > 0


async def test_a_body_over_the_cap_is_refused():
    async def talk(server, stream):
        await server.request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send(b"x" * 2**20)

    async with serving(talk) as (_, transport):
        with pytest.raises(BackendFault, match=rf"over {MAX_BODY // 2**20} MiB.*send fewer texts"):
            await fetch(transport, "GET", "/")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "disconnected"),
        (b"220 smtp.test ESMTP\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "the connection broke in mid-answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "the connection broke in mid-answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "does not speak HTTP"),
    ],
)
async def test_a_broken_conversation_is_unreachable_in_one_line(reply, words):
    async def talk(server, stream):
        await server.request(stream)
        await stream.send(reply)

    async with serving(talk) as (server, transport):
        with pytest.raises(BackendFault, match=words) as failure:
            await fetch(transport, "GET", "/")
        assert failure.value.code == "backend_unreachable"
        assert str(failure.value).startswith(f"{server.url}: ")
        assert "\n" not in str(failure.value)


async def test_a_port_that_nobody_serves_is_unreachable():
    async with serving(always(b"")) as (server, _):
        url = server.url
    transport = HttpClient(url, connect_timeout=2)
    with pytest.raises(Unreachable) as failure:
        await fetch(transport, "GET", "/")
    assert str(failure.value) == f"{url}: connection refused"
    await transport.aclose()


async def test_a_connection_that_is_never_made_ends_in_time():
    with socket.socket() as full:  # a listener whose queue is full swallows the next caller's greeting
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        transport = HttpClient(f"http://127.0.0.1:{port}", connect_timeout=0.05)
        with anyio.fail_after(5), pytest.raises(Unreachable, match="no connection in time"):
            await fetch(transport, "GET", "/")
        await transport.aclose()
        for caller in callers:
            caller.close()


async def test_many_requests_at_once_open_as_many_connections_and_a_closed_transport_opens_anew():
    async with serving(always(answer(b"hi"))) as (server, transport):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(fetch, transport, "GET", "/")
        assert (len(server.seen), server.connections) == (20, 20)
        assert repr(transport._transport) == "<LoopbackTransport, 20 connections kept>"
        await transport.aclose()
        await transport.aclose()
        assert (await fetch(transport, "GET", "/"))[2] == b"hi"
        assert server.connections == 21


async def test_a_connection_that_was_kept_too_long_is_not_used(monkeypatch):
    async with serving(always(answer(b"hi"))) as (server, transport):
        await fetch(transport, "GET", "/")
        monkeypatch.setattr(loopback, "KEPT_FOR", -1.0)
        await fetch(transport, "GET", "/")
        await fetch(transport, "GET", "/")
        assert server.connections == 3


async def test_a_night_of_sleep_makes_every_kept_connection_too_old(monkeypatch):
    slept = 0.0
    instant = loopback.this_instant
    monkeypatch.setattr(loopback, "this_instant", lambda: Instant(instant().wall + slept, instant().mono))
    async with serving(always(answer(b"hi"))) as (server, transport):
        await fetch(transport, "GET", "/")
        await fetch(transport, "GET", "/")
        assert server.connections == 1
        slept = 8 * 3600.0
        await fetch(transport, "POST", "/", b"")
        assert server.connections == 2


async def test_kept_connections_that_nobody_asks_for_are_closed_by_a_timer(monkeypatch):
    monkeypatch.setattr(loopback, "KEPT_FOR", 0.05)

    async def talk(server, stream):
        await server.request(stream)
        await stream.send(answer(b"hi"))
        await server.wait_for_leave(stream)

    async with serving(talk) as (server, transport):
        await fetch(transport, "GET", "/")
        with anyio.fail_after(5):
            await server.left.wait()
        assert "0 connections kept" in repr(transport._transport)


async def test_a_burst_leaves_no_more_than_a_few_connections_open():
    async with serving(always(answer(b"hi"))) as (server, transport):
        async with anyio.create_task_group() as group:
            for _ in range(MOST_KEPT + 20):
                group.start_soon(fetch, transport, "GET", "/")
        assert server.connections > MOST_KEPT
        assert f"{MOST_KEPT} connections kept" in repr(transport._transport)


async def test_a_kept_connection_that_is_lost_and_a_server_that_is_gone_are_told_once():
    async def talk(server, stream):
        await server.request(stream)
        await stream.send(answer(b"hi"))
        await server.request(stream)

    async with serving(talk) as (_, transport):
        await fetch(transport, "GET", "/")
        free = transport._transport._free
        free[0] = (free[0][0], ("127.0.0.1", 1), free[0][2])
        transport.url = "http://127.0.0.1:1"
        transport._urls.clear()
        with pytest.raises(Unreachable) as reported:
            await fetch(transport, "GET", "/")
        assert str(reported.value).count("http://") == 1


async def test_the_end_of_a_body_may_come_after_its_reader_has_left():
    left = anyio.Event()

    async def talk(server, stream):
        while True:
            await server.request(stream)
            await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
            await left.wait()
            await stream.send(b"0\r\n\r\n")

    async with serving(talk) as (server, transport):
        async with transport.request("GET", "/") as reply:
            assert await anext(reply.chunks()) == b"one"
        left.set()
        with anyio.fail_after(5):
            while not transport._transport._free:
                await anyio.lowlevel.checkpoint()
        await fetch(transport, "GET", "/")
        assert server.connections == 1


async def test_a_server_that_goes_on_for_nobody_is_left_at_its_next_word():
    left = anyio.Event()

    async def talk(server, stream):
        await server.request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await left.wait()
        await stream.send(b"3\r\ntwo\r\n")
        await server.wait_for_leave(stream)

    async with serving(talk) as (server, transport):
        async with transport.request("GET", "/") as reply:
            await anext(reply.chunks())
        left.set()
        with anyio.fail_after(5):
            await server.left.wait()


@pytest.mark.parametrize(("method", "outcome"), [("GET", 200), ("POST", "disconnected")])
async def test_what_a_kept_connection_swallowed_is_asked_again_only_where_that_is_safe(method, outcome):
    async def talk(server, stream):
        await server.request(stream)
        await stream.send(answer(b"hi"))
        await server.request(stream)
        await stream.aclose()

    async with serving(talk) as (server, transport):
        await fetch(transport, "GET", "/")
        if outcome == 200:
            assert (await fetch(transport, method, "/"))[0] == 200
        else:
            with pytest.raises(Unreachable, match=outcome):
                await fetch(transport, method, "/")
        assert server.connections == (2 if outcome == 200 else 1)


@pytest.mark.parametrize(
    ("reply", "method", "body"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "GET", b"hi"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "HEAD", b""),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", "GET", b"until the end"),
        (b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", "GET", b"hi"),
    ],
)
async def test_every_way_to_end_a_body_is_known(reply, method, body):
    async def talk(server, stream):
        await server.request(stream)
        await stream.send(reply)

    async with serving(talk) as (_, transport):
        status, _, got = await fetch(transport, method, "/")
        assert (status, got) == (200, body)


@pytest.mark.parametrize(("path", "headers"), [("/a\r\nb", {}), ("/", {"x": "1\r\ny: 2"})])
async def test_nothing_breaks_out_of_its_line(path, headers):
    async with serving(always(answer(b""))) as (server, transport):
        with pytest.raises(BackendFault, match="cannot be sent") as fault:
            await fetch(transport, "GET", path, None, headers)
        assert (fault.value.code, server.seen) == ("bad_request", [])


async def test_a_closed_transport_closes_connections_too_whose_answer_still_goes_on(monkeypatch):
    monkeypatch.setattr(loopback, "LINGER", 60)

    async def talk(server, stream):
        await server.request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nword\r\n")
        await server.wait_for_leave(stream)

    async with serving(talk) as (server, transport):
        async with transport.request("POST", "/", b"{}") as reply:
            assert await anext(reply.chunks()) == b"word"
        assert not server.left.is_set()
        await transport.aclose()
        with anyio.fail_after(2):
            await server.left.wait()


async def test_a_kept_connection_that_the_server_closes_is_counted_once():
    async def talk(server, stream):
        await server.request(stream)
        await stream.send(answer(b"hi"))
        await server.request(stream)
        await stream.send(answer(b"hi"))

    async with serving(talk) as (_, transport):
        await fetch(transport, "GET", "/")
        assert transport.losses == 0
        await fetch(transport, "GET", "/")
        with anyio.fail_after(5):
            while transport.losses == 0:
                await anyio.lowlevel.checkpoint()
        await fetch(transport, "GET", "/")
        assert transport.losses == 1


# --- one connection, without a socket ---


class Wire:
    """What a connection does to its socket."""

    def __init__(self):
        self.sent = b""
        self.paused = False
        self.aborted = False

    def is_closing(self):
        return self.aborted

    def write(self, data):
        self.sent += data

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False

    def abort(self):
        self.aborted = True


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def connection(wire):
    connection = Connection()
    connection.connection_made(wire)
    return connection


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


async def sent(connection):
    """A request on its way: awaited for the head."""
    reading = asyncio.ensure_future(connection.send(b"GET /"))
    await asyncio.sleep(0)
    return reading


async def test_a_long_request_is_written_as_the_server_reads(connection, wire):
    sending = asyncio.ensure_future(connection.send(b"x" * (SENT_AT_ONCE * 3)))
    connection.pause_writing()
    await asyncio.sleep(0)
    assert wire.sent == b""
    connection.resume_writing()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(wire.sent) == SENT_AT_ONCE * 3
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await sending
    assert connection.is_reusable


async def test_a_server_that_answers_before_it_has_read_all_gets_no_rest_and_no_other_request(connection, wire):
    connection.pause_writing()
    sending = asyncio.ensure_future(connection.send(b"x" * (SENT_AT_ONCE * 3)))
    await asyncio.sleep(0)
    connection.data_received(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    await sending
    assert (connection.status, wire.sent, connection.is_reusable) == (413, b"", False)


async def test_a_server_that_leaves_in_mid_request_is_an_error(connection):
    connection.pause_writing()
    sending = asyncio.ensure_future(connection.send(b"x" * (SENT_AT_ONCE * 3)))
    await asyncio.sleep(0)
    connection.connection_lost(None)
    with pytest.raises(httpx2.ReadError):
        await sending


async def test_a_response_is_read_however_it_is_cut(connection, wire):
    reading = await sent(connection)
    for byte in HEAD + b"3\r\none\r\n0\r\n\r\n":
        connection.data_received(bytes([byte]))
    await reading
    assert (wire.sent, connection.status, connection.headers[0]) == (b"GET /", 200, (b"Content-Type", b"text/plain"))
    assert not connection.is_reusable
    assert (await connection.piece(), await connection.piece()) == (b"one", b"")
    assert connection.is_reusable
    assert repr(connection) == "<Connection free, 0 bytes unread>"


async def test_a_reader_is_woken_by_what_comes(connection):
    reading = await sent(connection)
    connection.data_received(HEAD)
    connection.data_received(b"3\r\none\r\n")
    await reading
    assert repr(connection) == "<Connection answering, 3 bytes unread>"


async def test_a_slow_reader_stops_the_socket_and_starts_it_again(connection, wire):
    await sent(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * (READ_AHEAD + 1))
    assert wire.paused
    assert len(await connection.piece()) == READ_AHEAD + 1
    assert not wire.paused


async def test_words_that_nobody_asked_for_end_a_connection(connection, wire):
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert wire.aborted
    assert not connection.is_reusable


async def test_a_broken_connection_gives_what_came_before_it_broke(connection):
    reading = await sent(connection)
    connection.data_received(HEAD + b"3\r\none\r\n")
    connection.connection_lost(None)
    await reading
    assert await connection.piece() == b"one"
    with pytest.raises(httpx2.ReadError):
        await connection.piece()
    assert repr(connection) == "<Connection lost, 0 bytes unread>"


async def test_an_upgrade_that_nobody_asked_for_is_no_answer(connection, wire):
    reading = await sent(connection)
    connection.data_received(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
    with pytest.raises(httpx2.RemoteProtocolError):
        await reading
    assert wire.aborted


async def test_a_response_with_text_left_to_read_is_not_waited_for(connection, wire):
    await sent(connection)
    connection.data_received(HEAD + b"3\r\none\r\n")
    connection.leave(pytest.fail)
    assert wire.aborted


async def test_a_whole_response_frees_its_connection_at_once(connection):
    freed = []
    await sent(connection)
    connection.data_received(HEAD + b"0\r\n\r\n")
    connection.leave(freed.append)
    assert freed == [connection]
    connection.close()
    connection.connection_lost(None)
    connection.close()
    assert connection.is_lost
