"""Real sockets, asyncio only."""

import socket

import anyio
import httpx
import pytest

from innkeepd.config import HttpConfig
from innkeepd.inbound.http.reply import FULL, Reply
from innkeepd.inbound.http.server import serve_http, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def app(scope, receive, send):
    """Answers at once, or on ``/wait`` never."""
    await receive()
    reply = Reply(send, extra=[], is_full=scope["extensions"][FULL])
    if scope["path"] == "/wait":
        await reply.head(200, [])
        await reply.chunk(b"still here")
        await anyio.sleep_forever()
    await reply.whole(str(reply.is_full()).encode(), content_type=b"text/plain")


async def test_it_serves_on_a_free_port_and_closes_it():
    async with serving(app, "127.0.0.1", 0) as port, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/")
        assert (answer.status_code, answer.text) == (200, "False")
    with pytest.raises(OSError, match="failed"):
        await anyio.connect_tcp("127.0.0.1", port)


async def test_leaving_ends_what_is_still_being_answered():
    async with anyio.create_task_group() as tasks:
        broken = anyio.Event()

        async def listen(port):
            async with httpx.AsyncClient() as client, client.stream("GET", f"http://127.0.0.1:{port}/wait") as answer:
                with pytest.raises(httpx.HTTPError):
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
        warnings = []
        with anyio.fail_after(5):
            config = HttpConfig(port=other.getsockname()[1])
            await serve_http(config, None, None, warn=warnings.append)
        assert "stays closed" in warnings[0]


async def test_without_a_token_nothing_listens_for_other_machines():
    warnings = []
    await serve_http(HttpConfig(host="0.0.0.0"), None, None, warn=warnings.append)
    assert "token" in warnings[0]
