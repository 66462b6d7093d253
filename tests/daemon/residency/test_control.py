"""The residency put together, on a simulated Ollama; ``tests/flow/test_residency.py`` has its hours with clients."""

import anyio
import pytest

from innkeep import wire
from innkeepd.backends.backend import BackendFault
from innkeepd.residency.catalog import KEEP_ALIVE
from support.daemon import LLAMA8, QWEN, config, mock_clock, open_daemon, settled, ticket
from support.transport import MemoryTransport, fetch

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_keep_alive_is_longer_than_our_own_idle_time():
    for idle, seconds in ((300.0, KEEP_ALIVE), (7200.0, 7500.0), (None, KEEP_ALIVE)):
        async with open_daemon(config(residency={"idle_unload": idle})) as daemon:
            assert daemon.control.keep_alive() == seconds


async def test_taking_out_what_is_not_there_is_done_at_once():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        await daemon.control.unload((daemon.control.weights_of(QWEN),))


async def test_taking_out_what_does_not_go_is_a_fault(monkeypatch):
    async with open_daemon() as daemon:
        await daemon.connect().chat_to_end("hi", model=LLAMA8)
        daemon.simulator.fail("unload_stuck", LLAMA8, seconds=100.0)
        with pytest.raises(BackendFault, match="did not leave memory"):
            await daemon.control.unload((daemon.control.weights_of(LLAMA8),))


async def test_closing_refuses_who_comes_and_waits_for_who_works():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        async with anyio.create_task_group() as tasks, daemon.control.lease(ticket(daemon, LLAMA8)) as place:
            await settled(place)
            tasks.start_soon(lambda: daemon.control.close(50.0, last_words=1.0))
            await anyio.sleep(40)
            assert place.revoked is None
            async with daemon.control.lease(ticket(daemon, LLAMA8, 2)) as late:
                assert late.settled.code == "shutting_down"
            await anyio.sleep(15)
            assert place.revoked.code == "shutting_down"
        assert repr(daemon.control).startswith("ResidencyControl(Scheduler(")


async def test_an_unload_that_is_given_up_before_the_answers_end_leaves_the_model_where_it_is():
    async with open_daemon() as daemon:
        client = daemon.connect()
        number = await client.chat("hi [simulate tokens 500]", model=LLAMA8)
        await client.until(number, wire.Delta)
        weights = (daemon.control.weights_of(LLAMA8),)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon.control.unload, weights)
            with anyio.move_on_after(1):
                await daemon.control.unload(weights)
            assert daemon.control.scheduler.ledger.residents[weights[0]].leaving  # the other one still asks
            tasks.cancel_scope.cancel()
        assert not daemon.control.scheduler.ledger.residents[weights[0]].leaving
        assert isinstance(await client.end(number), wire.Done)
        await anyio.sleep(5)
        assert (daemon.loads(), daemon.asked("/api/generate")[-1].body.get("keep_alive") == 0) == ([LLAMA8], False)


async def test_what_another_program_loaded_can_be_unloaded_during_a_hold():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        await daemon.control.hold(3600.0, drain=1.0)
        await fetch(MemoryTransport(daemon.simulator), "POST", "/api/generate", {"model": LLAMA8, "stream": False})
        await anyio.sleep(60)
        with anyio.fail_after(60):
            await daemon.control.unload((daemon.control.weights_of(LLAMA8),))
        assert daemon.simulator.resident == []


async def test_a_model_removed_from_the_disk_while_in_memory_keeps_its_name_until_it_has_left():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        del daemon.simulator.catalog._models[LLAMA8]
        await daemon.control.pulled.refresh()
        await anyio.sleep(30)
        assert [each.name for each in (await client.status()).resident] == [LLAMA8]
        assert (await client.chat_to_end("hi", model=LLAMA8)).code == "unknown_model"
        stays = await client.answer(wire.Unload(id=0, model=LLAMA8))
        assert (stays.code, "removed from the disk" in stays.message) == ("load_failed", True)
        await anyio.sleep(2000)
        await daemon.control.pulled.refresh()
        assert (await client.status()).resident == []
        assert (await client.answer(wire.Unload(id=0, model=LLAMA8))).code == "unknown_model"
