import socket

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import UNIXSocketStream

from innkeepd.server.socket import writer
from innkeepd.server.socket.writer import Writer
from support.daemon import mock_clock, wires


@pytest.fixture
def anyio_backend():
    return mock_clock()


class Desk:
    """An outbox that writes to one end of a connection in memory."""

    def __init__(self, room=1000, stuck=10.0):
        ours, self.peer = wires(room)
        self.outbox = Writer(ours, patience=lambda: stuck)
        self.ended = anyio.CancelScope()


@pytest.mark.anyio
async def test_what_is_put_in_one_turn_is_sent_together_and_what_has_no_hurry_waits_for_company():
    async with anyio.create_task_group() as tasks:
        desk = Desk()
        desk.outbox.start(tasks, desk.ended)
        desk.outbox.put(b"one ", soon=False)
        await anyio.sleep(writer.LATER / 2)
        desk.outbox.put(b"two")
        assert await desk.peer.receive() == b"one two"
        began = anyio.current_time()
        desk.outbox.put(b"alone", soon=False)
        assert await desk.peer.receive() == b"alone"
        assert anyio.current_time() - began == pytest.approx(writer.LATER)
        tasks.cancel_scope.cancel()
        await desk.outbox.finish()


@pytest.mark.anyio
async def test_who_produces_much_waits_for_room_until_the_peer_has_read(monkeypatch):
    monkeypatch.setattr(writer, "HIGH", 3000)
    monkeypatch.setattr(writer, "LOW", 500)
    monkeypatch.setattr(writer, "SLICE", 100)
    async with anyio.create_task_group() as tasks:
        desk = Desk()
        desk.outbox.start(tasks, desk.ended)
        desk.outbox.put(b"x" * 2000)
        await anyio.sleep(1)
        desk.outbox.put(b"y" * 3500)
        assert desk.outbox.is_full
        assert repr(desk.outbox) == "<Outbox 3500 bytes kept>"
        with anyio.move_on_after(5) as waited:
            await desk.outbox.room()
        assert waited.cancelled_caught

        async def read():
            while True:
                await desk.peer.receive(200)

        tasks.start_soon(read)
        await desk.outbox.room()
        assert not desk.outbox.is_full
        await desk.outbox.drained()
        tasks.cancel_scope.cancel()
        desk.outbox._write_scope.cancel()


@pytest.mark.anyio
async def test_a_peer_that_reads_nothing_is_cut_off_and_one_that_reads_slowly_is_not(monkeypatch):
    monkeypatch.setattr(writer, "SLICE", 100)
    async with anyio.create_task_group() as tasks:
        desk = Desk(stuck=10.0)
        desk.outbox.start(tasks, desk.ended)
        desk.outbox.put(b"x" * 5000)
        for _ in range(30):
            await anyio.sleep(8)
            await desk.peer.receive(100)
        assert not desk.ended.cancel_called
        began = anyio.current_time()
        await desk.outbox.drained()
        assert desk.ended.cancel_called
        assert anyio.current_time() - began < 20
        desk.outbox.put(b"for nobody")
        assert not desk.outbox.is_full


@pytest.mark.anyio
async def test_a_peer_that_is_gone_ends_the_connection():
    async with anyio.create_task_group() as tasks:
        desk = Desk()
        desk.outbox.start(tasks, desk.ended)
        await desk.peer.aclose()
        desk.outbox.put(b"anybody?")
        await desk.outbox.drained()
        await anyio.lowlevel.checkpoint()
        assert desk.ended.cancel_called
        assert desk.outbox.is_deserted()


@pytest.mark.anyio
async def test_last_words_take_a_second_at_most():
    async with anyio.create_task_group() as tasks:
        desk = Desk(room=10)
        desk.outbox.start(tasks, desk.ended)
        desk.outbox.put(b"x" * 1000)
        tasks.cancel_scope.cancel()
        began = anyio.current_time()
        await desk.outbox.finish()
        assert anyio.current_time() - began == pytest.approx(writer.LAST_WORDS)
    await desk.outbox.aclose()


def _pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, theirs


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_half_closed_peer_is_no_deserter_and_a_closed_one_is():
    ours, theirs = _pair()
    async with await UNIXSocketStream.from_socket(ours) as stream:
        one = Writer(stream, patience=lambda: 1.0)
        assert not one.is_deserted()
        theirs.shutdown(socket.SHUT_WR)
        assert not one.is_deserted()
        theirs.close()
        assert one.is_deserted()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_on_a_real_socket_what_one_turn_gathers_is_one_packet_and_what_has_no_hurry_waits_for_company():
    ours, theirs = _pair()
    with theirs:
        async with await UNIXSocketStream.from_socket(ours) as stream, anyio.create_task_group() as tasks:
            one = Writer(stream, patience=lambda: 1.0)
            one.start(tasks, tasks.cancel_scope)
            one.put(b"no hurry, ", soon=False)
            one.put(b"nor this, ", soon=False)
            one.put(b"but this")
            one.put(b"!")
            await one.drained()
            assert theirs.recv(100) == b"no hurry, nor this, but this!"
            one.put(b"alone", soon=False)
            await one.drained()
            assert theirs.recv(100) == b"alone"
            await one.finish()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_the_kernel_does_not_take_at_once_comes_later_and_in_order():
    ours, theirs = _pair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    told = [bytes([65 + number]) * 100_000 for number in range(5)]
    with theirs:
        async with await UNIXSocketStream.from_socket(ours) as stream, anyio.create_task_group() as tasks:
            one = Writer(stream, patience=lambda: 5.0)
            one.start(tasks, tasks.cancel_scope)
            for data in told:
                one.put(data)
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()
            assert one.is_full

            def read():
                got = b""
                while len(got) < 500_000:
                    got += theirs.recv(65_536)
                return got

            assert await anyio.to_thread.run_sync(read) == b"".join(told)
            await one.drained()
            await one.finish()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_real_peer_that_is_gone_ends_the_connection_too():
    ours, theirs = _pair()
    theirs.close()
    async with await UNIXSocketStream.from_socket(ours) as stream, anyio.create_task_group() as tasks:
        one = Writer(stream, patience=lambda: 5.0)
        one.start(tasks, tasks.cancel_scope)
        one.put(b"anybody?")
        with anyio.fail_after(5):
            await anyio.sleep_forever()
    assert one.is_deserted()
    one.put(b"for nobody")
    assert not one.is_full


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_first_token_is_sent_before_anything_else_is_done():
    ours, theirs = _pair()
    theirs.setblocking(False)
    with theirs:
        async with await UNIXSocketStream.from_socket(ours) as stream:
            one = Writer(stream, patience=lambda: 1.0)
            one.flush()
            one.put(b"started, ", soon=False)
            one.put(b"first")
            one.flush()
            assert theirs.recv(100) == b"started, first"
