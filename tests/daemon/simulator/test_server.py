"""Real HTTP on loopback, with the daemon's own transport as the client."""

import socket

import anyio
import pytest

from innkeepd.backends.backend import BackendFault
from innkeepd.backends.http import HttpClient
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.server import serve
from support.transport import fetch

pytestmark = pytest.mark.anyio

CHAT = {"model": "llama3.1:8b", "messages": [{"role": "user", "content": "안녕"}]}


async def until(is_true):
    """Wait for what a real socket brings about in its own time."""
    while not is_true():  # noqa: ASYNC110 (the socket sets no event)
        await anyio.sleep(0.005)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def simulator():
    return Simulator(speed=2000.0)


@pytest.fixture
async def transport(simulator):
    async with serve(simulator) as url:
        transport = HttpClient(url, connect_timeout=3.0)
        yield transport
        await transport.aclose()


async def test_a_chat_streams_over_a_real_socket(transport):
    got = await fetch(transport, "POST", "/api/chat", CHAT)
    assert got.status == 200
    assert got.headers["transfer-encoding"] == "chunked"
    assert "시뮬레이션" in got.said
    assert got.lines[-1]["done"] is True
    assert (await fetch(transport, "HEAD", "/")).status == 200


async def test_a_client_that_leaves_is_noticed(simulator, transport):
    simulator.fail("hang", "llama3.1:8b")
    with anyio.move_on_after(0.3):
        await fetch(transport, "POST", "/api/chat", CHAT)
    with anyio.fail_after(5):
        await until(lambda: simulator.journal.left)
    assert simulator.runners.standing()[0].busy == 0


@pytest.mark.parametrize("how", ["refuse", "cut"])
async def test_a_connection_that_breaks_is_unreachable(simulator, transport, how):
    simulator.fail(how, "llama3.1:8b", after=2, times=9)
    with pytest.raises(BackendFault):
        await fetch(transport, "POST", "/api/chat", CHAT)


async def test_leaving_the_context_cuts_what_is_still_being_answered():
    simulator = Simulator(speed=2000.0)
    simulator.fail("stall", after=2)
    ended = []
    async with anyio.create_task_group() as tasks:
        async with serve(simulator) as url:
            transport = HttpClient(url, connect_timeout=3.0)

            async def talk():
                with pytest.raises(BackendFault):
                    await fetch(transport, "POST", "/api/chat", CHAT)
                ended.append(True)

            tasks.start_soon(talk)
            with anyio.fail_after(5):
                await until(lambda: any(runner.busy for runner in simulator.runners.standing()))
        with anyio.fail_after(5):
            await until(lambda: ended)
    with pytest.raises(BackendFault):
        await fetch(transport, "GET", "/api/version")
    await transport.aclose()


async def test_a_taken_port_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with serve(Simulator(), port=taken.getsockname()[1]):
            pytest.fail("it served")  # pragma: no cover
