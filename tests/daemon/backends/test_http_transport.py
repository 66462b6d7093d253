import asyncio
import gzip
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager, suppress
from errno import ECONNREFUSED

import anyio
import pytest
from anyio.abc import SocketAttribute

from innkeepd.backends import http_connection, http_transport
from innkeepd.backends.http import TooLarge, Unreachable
from innkeepd.backends.http_connection import READ_AHEAD
from innkeepd.backends.http_transport import MAX_BODY, MOST_KEPT, HttpTransport
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
        transport = HttpTransport(server.url + "/", connect_timeout=2)
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
        assert (transport.url, repr(transport)) == (server.url, f"<HttpTransport {server.url}, 0 connections kept>")
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
        assert reply._connection.kept <= 4 * READ_AHEAD
        assert len(await anext(reply.chunks())) > 0


async def test_a_body_over_the_cap_is_refused():
    async def talk(server, stream):
        await server.request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send(b"x" * 2**20)

    async with serving(talk) as (_, transport):
        with pytest.raises(TooLarge, match=f"over {MAX_BODY // 2**20} MiB"):
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
        with pytest.raises(Unreachable, match=words) as failure:
            await fetch(transport, "GET", "/")
        assert str(failure.value).startswith(f"{server.url}: ")
        assert "\n" not in str(failure.value)


async def test_a_port_that_nobody_serves_is_unreachable():
    async with serving(always(b"")) as (server, _):
        url = server.url
    transport = HttpTransport(url, connect_timeout=2)
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
        transport = HttpTransport(f"http://127.0.0.1:{port}", connect_timeout=0.05)
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
        assert repr(transport) == f"<HttpTransport {server.url}, 20 connections kept>"
        await transport.aclose()
        await transport.aclose()
        assert (await fetch(transport, "GET", "/"))[2] == b"hi"
        assert server.connections == 21


async def test_a_connection_that_was_kept_too_long_is_not_used(monkeypatch):
    async with serving(always(answer(b"hi"))) as (server, transport):
        await fetch(transport, "GET", "/")
        monkeypatch.setattr(http_transport, "KEPT_FOR", -1.0)
        await fetch(transport, "GET", "/")
        await fetch(transport, "GET", "/")
        assert server.connections == 3


async def test_a_night_of_sleep_makes_every_kept_connection_too_old(monkeypatch):
    slept = 0.0
    instant = http_transport.this_instant
    monkeypatch.setattr(http_transport, "this_instant", lambda: Instant(instant().wall + slept, instant().mono))
    async with serving(always(answer(b"hi"))) as (server, transport):
        await fetch(transport, "GET", "/")
        await fetch(transport, "GET", "/")
        assert server.connections == 1
        slept = 8 * 3600.0
        await fetch(transport, "POST", "/", b"")
        assert server.connections == 2


async def test_kept_connections_that_nobody_asks_for_are_closed_by_a_timer(monkeypatch):
    monkeypatch.setattr(http_transport, "KEPT_FOR", 0.05)

    async def talk(server, stream):
        await server.request(stream)
        await stream.send(answer(b"hi"))
        await server.wait_for_leave(stream)

    async with serving(talk) as (server, transport):
        await fetch(transport, "GET", "/")
        with anyio.fail_after(5):
            await server.left.wait()
        assert "0 connections kept" in repr(transport)


async def test_a_burst_leaves_no_more_than_a_few_connections_open():
    async with serving(always(answer(b"hi"))) as (server, transport):
        async with anyio.create_task_group() as group:
            for _ in range(MOST_KEPT + 20):
                group.start_soon(fetch, transport, "GET", "/")
        assert server.connections > MOST_KEPT
        assert f"{MOST_KEPT} connections kept" in repr(transport)


async def test_a_kept_connection_that_is_lost_and_a_server_that_is_gone_are_told_once():
    async def talk(server, stream):
        await server.request(stream)
        await stream.send(answer(b"hi"))
        await server.request(stream)

    async with serving(talk) as (_, transport):
        await fetch(transport, "GET", "/")
        transport._port = 1
        with pytest.raises(Unreachable) as told:
            await fetch(transport, "GET", "/")
        assert str(told.value).count("http://") == 1


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
            while not transport._free:
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


@pytest.mark.parametrize(("path", "headers"), [("/a b", {}), ("/a\r\nb", {}), ("/", {"x": "1\r\ny: 2"})])
async def test_nothing_breaks_out_of_its_line(path, headers):
    with pytest.raises(ValueError, match="ends its line"):
        HttpTransport("http://127.0.0.1:1", connect_timeout=1).request("GET", path, None, headers)


@pytest.fixture
def certificate(tmp_path):
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "cert"),
        ],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return tmp_path / "cert", tmp_path / "key"


async def test_https_speaks_only_to_whom_its_certificate_vouches_for(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    async def talk(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer(b"hi"))

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    transport = HttpTransport(url, connect_timeout=5)
    with pytest.raises(Unreachable, match="certificate is not to be trusted: self"):
        await fetch(transport, "GET", "/")
    transport._trust = ssl.create_default_context(cafile=certificate[0])
    for _ in range(2):
        assert (await fetch(transport, "GET", "/"))[2] == b"hi"
    await transport.aclose()
    server.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (
            OSError(f"Multiple exceptions: [Errno {ECONNREFUSED}] Connect call failed ('::1', 1), ..."),
            "connection refused",
        ),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
            "[SSL: WRONG_VERSION_NUMBER] wrong version number",
        ),
        (TimeoutError(), "no connection in time"),
        (OSError(), "OSError"),
    ],
)
def test_a_connection_that_cannot_be_made_says_why_in_a_few_words(error, words):
    assert http_transport._words(error) == words


async def test_a_closed_transport_closes_connections_too_whose_answer_still_goes_on(monkeypatch):
    monkeypatch.setattr(http_connection, "LINGER", 60)

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
