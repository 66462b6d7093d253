import socket
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import UNIXSocketStream

from innkeepd.server.socket.reader import READ, Reader
from support.daemon import wires

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@asynccontextmanager
async def listening():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        async with await UNIXSocketStream.from_socket(ours) as stream:
            ear = Reader(stream)
            try:
                yield ear, theirs
            finally:
                ear.close()


async def test_what_came_and_what_comes_is_heard_and_then_the_end():
    async with listening() as (ear, peer):
        peer.sendall(b"one")
        assert await ear.receive() == b"one"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, peer.sendall, b"two")
            assert await ear.receive() == b"two"
        assert repr(ear) == "<Ear on the socket>"
        peer.shutdown(socket.SHUT_WR)
        for _ in range(2):
            with pytest.raises(anyio.EndOfStream):
                await ear.receive()
        assert repr(ear) == "<Ear off>"


async def test_what_nobody_asks_for_waits_in_the_kernel_and_none_of_it_is_lost():
    async with listening() as (ear, peer):
        said = bytes(range(256)) * 512
        peer.setblocking(False)
        with anyio.move_on_after(0.01):
            await ear.receive()
        sent = peer.send(said)
        assert sent > READ
        while repr(ear) != "<Ear off>":
            await anyio.lowlevel.checkpoint()
        got = b""
        while len(got) < sent:
            got += await ear.receive()
        assert got == said[:sent]


async def test_a_broken_connection_is_a_broken_resource():
    async with listening() as (ear, peer):
        ear._raw.send(b"unread")
        peer.close()  # with something unread the kernel resets
        with pytest.raises(anyio.BrokenResourceError):
            await ear.receive()


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_stream_of_memory_is_asked_as_anyio_does():
    ours, theirs = wires()
    ear = Reader(ours)
    await theirs.send(b"one")
    assert await ear.receive() == b"one"
    ear.close()
