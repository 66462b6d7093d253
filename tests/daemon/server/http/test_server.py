"""Real sockets, asyncio only."""

import socket
from unittest.mock import Mock

import anyio
import httpx2
import pytest

from innkeepd.config.schema import HttpConfig
from innkeepd.server.http import server
from innkeepd.server.http.closed import refuse
from innkeepd.server.http.connection import HEAD
from innkeepd.server.http.response import FULL, Response
from innkeepd.server.http.server import answers, serve_http, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def app(scope, receive, send):
    """Answers at once, or on ``/wait`` never."""
    await receive()
    reply = Response(send, extra=[], is_full=scope["extensions"][FULL])
    if scope["path"] == "/wait":
        await reply.head(200, [])
        await reply.write(b"still here")
        await anyio.sleep_forever()
    await reply.whole(str(reply.is_full).encode(), content_type=b"text/plain")


async def test_it_serves_on_a_free_port_and_closes_it():
    async with serving(app, "127.0.0.1", 0) as port, httpx2.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/")
        assert (answer.status_code, answer.text) == (200, "False")
    with pytest.raises(OSError, match="failed"):
        await anyio.connect_tcp("127.0.0.1", port)


async def test_a_head_that_does_not_end_is_cut_off_and_a_long_body_is_not():
    async with serving(app, "127.0.0.1", 0) as port:
        async with await anyio.connect_tcp("127.0.0.1", port) as line:
            await line.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (HEAD + 1))
            with anyio.fail_after(5):
                said = await line.receive()
                head, _, body = said.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 431 ")
                assert f"content-length: {len(body)}".encode() in head
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await line.receive()
        async with httpx2.AsyncClient() as client:
            for _ in range(2):
                answer = await client.post(f"http://127.0.0.1:{port}/", content=b"a" * (3 * HEAD))
                assert answer.status_code == 200


async def test_leaving_ends_what_is_still_being_answered():
    async with anyio.create_task_group() as tasks:
        broken = anyio.Event()

        async def listen(port):
            async with httpx2.AsyncClient() as client, client.stream("GET", f"http://127.0.0.1:{port}/wait") as answer:
                with pytest.raises(httpx2.HTTPError):
                    async for chunk in answer.aiter_bytes():
                        assert chunk == b"still here"
                        begun.set()
            broken.set()

        begun = anyio.Event()
        async with serving(app, "127.0.0.1", 0) as port:
            tasks.start_soon(listen, port)
            await begun.wait()
        with anyio.fail_after(5):
            await broken.wait()


async def test_a_port_that_is_taken_is_a_warning():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with anyio.fail_after(5):
            told = await serve_http(HttpConfig(port=port), Mock(), None)
        assert told == f"the HTTP port stays closed: 127.0.0.1:{port}: address already in use"


async def test_a_host_that_is_none_is_a_warning():
    told = await serve_http(HttpConfig(host="no..where", token="t"), Mock(), None)
    assert told == "the HTTP port stays closed: no..where:11435: that is no host's name, see [http] host"


async def test_without_a_token_nothing_listens_for_other_machines():
    assert "token" in await serve_http(HttpConfig(host="0.0.0.0"), None, None)


async def test_a_name_that_resolves_to_an_address_of_the_network_opens_nothing():
    with pytest.raises(OSError, match=r"0\.0\.0\.0 can be reached from elsewhere and"):
        async with serving(app, "0.0.0.0", 0, loopback_only=True):
            pytest.fail("it was opened")


async def test_a_socket_that_launchd_opened_is_served_and_stays_open():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        held.setblocking(False)
        for _ in range(2):
            async with serving(app, "127.0.0.1", 0, listener=held) as port, httpx2.AsyncClient() as client:
                assert port == held.getsockname()[1]
                assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200


async def test_a_port_that_answers_is_taken_though_it_could_be_bound(monkeypatch):
    """On macOS a socket on 127.0.0.1 is bound beside another of the same user on all addresses."""
    bound = Mock()
    monkeypatch.setattr(server, "serving", bound)
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        told = await serve_http(HttpConfig(port=port), Mock(), None)
    assert told == f"the HTTP port stays closed: 127.0.0.1:{port}: address already in use"
    assert not bound.called


async def test_whether_somebody_answers():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        assert not await answers("127.0.0.1", port), "bound, but not listening"
        other.listen()
        assert await answers("127.0.0.1", port)


async def test_a_port_that_is_held_but_not_served_says_why():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        held.setblocking(False)
        async with anyio.create_task_group() as tasks, httpx2.AsyncClient() as client:
            tasks.start_soon(refuse, held, "switched off")
            answer = await client.get(f"http://127.0.0.1:{held.getsockname()[1]}/v1/models")
            assert (answer.status_code, answer.json()) == (503, {"error": "switched off"})
            async with await anyio.connect_tcp("127.0.0.1", held.getsockname()[1]):
                pass  # one that says nothing and leaves
            tasks.cancel_scope.cancel()
