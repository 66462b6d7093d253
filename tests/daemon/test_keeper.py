"""The owner alone, on a simulated Ollama; ``tests/flow/test_residency.py`` has its hours with clients."""

import anyio
import pytest

from innkeepd.keeper import KEEP_ALIVE
from innkeepd.outbound.backend import BackendFault
from innkeepd.policy import events as ev
from support.house import LLAMA8, QWEN, config, mock_clock, open_house, settled, ticket

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_a_grant_for_somebody_who_has_left_is_released_at_once():
    async with open_house() as house:
        await house.keeper.senses.ready.wait()
        house.keeper.post(ev.Asked(ticket(house, LLAMA8)))
        await anyio.sleep(20)
        assert house.is_quiet()


async def test_keep_alive_is_longer_than_our_own_idle_time():
    for idle, seconds in ((300.0, KEEP_ALIVE), (7200.0, 7500.0), (None, KEEP_ALIVE)):
        async with open_house(config(residency={"idle_unload": idle})) as house:
            assert house.keeper.keep_alive() == seconds


async def test_taking_out_what_is_not_there_is_done_at_once():
    async with open_house() as house:
        await house.keeper.senses.ready.wait()
        await house.keeper.take_out((house.keeper.weights_of(QWEN),))


async def test_taking_out_what_does_not_go_is_a_fault(monkeypatch):
    async with open_house() as house:
        await house.connect().told("hi", model=LLAMA8)
        house.simulator.fail("unload_stuck", LLAMA8, seconds=100.0)
        with pytest.raises(BackendFault, match="did not leave memory"):
            await house.keeper.take_out((house.keeper.weights_of(LLAMA8),))


async def test_closing_refuses_who_comes_and_waits_for_who_works():
    async with open_house() as house:
        await house.keeper.senses.ready.wait()
        async with anyio.create_task_group() as tasks, house.keeper.line(ticket(house, LLAMA8)) as place:
            await settled(place)
            tasks.start_soon(lambda: house.keeper.close(50.0, last_words=1.0))
            await anyio.sleep(40)
            assert place.revoked is None
            async with house.keeper.line(ticket(house, LLAMA8, 2)) as late:
                assert late.settled.code == "shutting_down"
            await anyio.sleep(15)
            assert place.revoked.code == "shutting_down"
        assert repr(house.keeper).startswith("Keeper(Scheduler(")


async def test_the_journal_hears_every_event_and_its_actions():
    written = []
    async with open_house(journal=lambda now, event, actions: written.append((now, event, actions))) as house:
        await house.connect().told("hi", model=LLAMA8)
        kinds = [type(event) for _, event, _ in written]
        assert {ev.Known, ev.Measured, ev.Asked, ev.LoadEnded, ev.Released, ev.Observed} <= set(kinds)
        assert any(isinstance(action, ev.Load) for _, _, actions in written for action in actions)
        assert [now for now, _, _ in written] == sorted(now for now, _, _ in written)
