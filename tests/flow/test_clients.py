"""Clients that cancel, die, read slowly or close one side, at every stage of a request."""

import anyio
import pytest

from innkeep import wire
from innkeepd.server.socket import session, writer
from support.daemon import DEEPSEEK, LLAMA8, QWEN, config, open_daemon

pytestmark = pytest.mark.anyio
CODE = "debug this function"
LONG = f"{CODE} [simulate tokens 2000]"


async def at_stage(daemon, client, stage):
    """A chat that has come so far; returns its id."""
    if stage == "waiting":
        other = daemon.connect()
        busy = await other.chat("why [simulate tokens 3000]", model=DEEPSEEK)
        await other.until(busy, wire.Delta)
    number = await client.chat(LONG)
    await client.until(number, {"waiting": wire.Waiting, "loading": wire.Loading, "streaming": wire.Delta}[stage])
    return number


@pytest.mark.parametrize("stage", ["waiting", "loading", "streaming"])
async def test_a_cancel_frees_everything_within_a_second(stage):
    async with open_daemon() as daemon:
        client = daemon.connect()
        number = await at_stage(daemon, client, stage)
        began = anyio.current_time()
        assert (await client.cancel(number)).found
        error = client.heard[number][-1]
        assert (error.code, anyio.current_time() - began < 1.0) == ("cancelled", True)
        mine = [place for place in daemon.control.handles() if place.ticket.chain[0] == daemon.control.weights_of(QWEN)]
        assert mine == []
        record = daemon.records[-1]
        assert (record["outcome"], record["code"]) == ("cancelled", "cancelled")
        if stage == "streaming":
            await anyio.sleep(0.5)
            assert list(daemon.simulator.journal.left) == [QWEN]
            assert record["attempts"][-1]["outcome"] == "cancelled"


async def test_who_cancels_while_waiting_causes_no_load():
    async with open_daemon() as daemon:
        client = daemon.connect()
        number = await at_stage(daemon, client, "waiting")
        await client.cancel(number)
        await anyio.sleep(600)
        assert daemon.loads() == [DEEPSEEK]


async def test_who_cancels_while_the_old_model_is_unloading_causes_no_load():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("why", model=DEEPSEEK)
        daemon.simulator.fail("unload_stuck", DEEPSEEK, seconds=4.0)
        number = await client.chat(CODE)
        await client.until(number, wire.Loading)
        await client.cancel(number)
        await anyio.sleep(60)
        assert daemon.loads() == [DEEPSEEK]
        assert daemon.simulator.resident == []


async def test_a_cancel_of_what_is_not_open_finds_nothing():
    async with open_daemon() as daemon:
        client = daemon.connect()
        assert not (await client.answer(wire.Cancel(id=0, target=77))).found


@pytest.mark.parametrize("stage", ["waiting", "loading", "streaming"])
async def test_a_client_that_dies_frees_everything_and_others_go_on(stage):
    async with open_daemon() as daemon:
        client = daemon.connect()
        await at_stage(daemon, client, stage)
        before = len(daemon.control.handles())
        await client.leave()
        await anyio.sleep(0.9)
        assert len(daemon.control.handles()) == before - 1
        assert daemon.records[-1]["outcome"] == "cancelled"
        assert isinstance(await daemon.connect().chat_to_end("hi", model=LLAMA8), wire.Done)


async def test_a_slow_reader_stops_its_own_model_in_bounded_memory_and_is_cut_off(monkeypatch):
    """A kernel's buffer of 2 KB and bounds of a few KB: the same rules, sooner."""
    monkeypatch.setattr(writer, "HIGH", 4096)
    monkeypatch.setattr(writer, "LOW", 1024)
    monkeypatch.setattr(writer, "SLICE", 256)
    async with open_daemon(config(timeouts={"stall": 30.0})) as daemon:
        slow, other = daemon.wire(room=2048), daemon.connect()
        await slow.send(
            b'{"type":"chat","id":1,"model":"%s","messages":[{"role":"user","content":"[simulate tokens 90000]"}]}\n'
            % LLAMA8.encode()
        )
        # The model is read from until the buffers are full, and then no more.
        await anyio.sleep(25)
        status = await other.status()
        assert [each.leases for each in status.resident] == [1]
        for _ in range(40):  # a reader that reads a little now and then is no stuck one
            await slow.receive(512)
            await anyio.sleep(10)
        assert len(daemon.control.handles()) == 1
        await anyio.sleep(35)
        assert daemon.control.handles() == []
        assert daemon.records[-1]["outcome"] == "cancelled"
        assert daemon.records[-1]["message"] == "the client read nothing for 30 s"
        assert isinstance(await other.chat_to_end("hi", model=LLAMA8), wire.Done)


async def test_who_asks_and_asks_and_never_reads_is_not_heard_any_more(monkeypatch):
    monkeypatch.setattr(writer, "FLOODED", 20_000)
    async with open_daemon() as daemon:
        flood = daemon.wire(room=4096)
        sent = 0
        with anyio.move_on_after(30):
            while True:
                await flood.send(b'{"type":"status","id":%d}\n' % sent)
                sent += 1
        assert sent < 400
        await anyio.sleep(60)
        with pytest.raises(anyio.BrokenResourceError):
            await flood.send(b'{"type":"status","id":0}\n' * 1000)


async def test_too_many_open_requests_on_one_connection_are_refused(monkeypatch):
    monkeypatch.setattr(session, "MOST_OPEN", 3)
    async with open_daemon() as daemon:
        client = daemon.connect()
        for _ in range(3):
            await client.ask(wire.Watch(id=0))
        assert (await client.answer(wire.StatusAsk(id=0))).code == "queue_full"


async def test_many_requests_on_one_connection_are_answered_each_under_its_id():
    async with open_daemon() as daemon:
        client = daemon.connect()
        numbers = [await client.chat(f"hello {each}", model=LLAMA8) for each in range(12)]
        for number in numbers:
            assert isinstance(await client.end(number), wire.Done)
        assert daemon.is_quiet()


async def test_fifty_who_wait_are_told_their_place_and_a_full_line_refuses_the_next():
    async with open_daemon(config(schedule={"queue_limit": 50})) as daemon:
        client = daemon.connect()
        busy = await client.chat(LONG)
        await client.until(busy, wire.Delta)
        waiting = [await client.chat(CODE) for _ in range(50)]
        places = {(await client.until(number, wire.Waiting)).position for number in waiting}
        assert places == set(range(1, 51))
        refused = await client.chat_to_end(CODE)
        assert refused.code == "queue_full"
        assert "schedule.queue_limit" in refused.message
