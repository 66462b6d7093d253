"""Who performs the scheduler's decisions, and how it ends; ``test_moves`` has the proofs of each move."""

import anyio
import pytest

from innkeepd.policy.scheduling import events as ev
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import V17
from support.daemon import DEEPSEEK, LLAMA8, QWEN, config, mock_clock, open_daemon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def granted(daemon, name, number):
    async with daemon.control.lease(ev.Ticket(f"t{number}", (daemon.control.weights_of(name),))) as place:
        while place.settled is None:
            await place.change()
        return place.settled


async def test_a_swap_is_timed_from_its_first_unload_to_the_end_of_its_load():
    async with open_daemon(simulator=Simulator(ollama=V17)) as daemon:  # whose unloads take their time
        control, state = daemon.control, daemon.control.scheduler.state
        await control.monitor.ready.wait()
        assert isinstance(await granted(daemon, QWEN, 1), ev.Grant)
        wanted, leaving = control.weights_of(DEEPSEEK), control.weights_of(QWEN)
        began = control.now()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(granted, daemon, DEEPSEEK, 2)
            await anyio.sleep(0.1)
            assert state.swapping_since(leaving) == pytest.approx(began, abs=0.01)
            assert state.swapping_since(wanted) == pytest.approx(began, abs=0.01)
            while wanted not in state.ledger.residents:
                await control.changed()
            assert state.ledger.residents[wanted].since > began
            assert state.swapping_since(wanted) == pytest.approx(began, abs=0.01)
        assert state.swapping_since(wanted) is None
        assert (control.counts["loads"], control.counts["unloads"], control.counts["swaps"]) == (2, 1, 1)


async def test_a_swap_whose_asker_left_is_forgotten_and_the_next_counts_from_its_own_start():
    async with open_daemon(simulator=Simulator(ollama=V17)) as daemon:
        control, state = daemon.control, daemon.control.scheduler.state
        await control.monitor.ready.wait()
        await granted(daemon, QWEN, 1)
        wanted = control.weights_of(DEEPSEEK)
        async with control.lease(ev.Ticket("t2", (wanted,))):
            await anyio.sleep(0.1)
            assert state.swapping_since(wanted) is not None
        await anyio.sleep(60)
        assert state.swaps == {}
        assert daemon.loads() == [QWEN]


async def test_watchers_hear_of_a_load_and_of_its_end():
    async with open_daemon() as daemon:
        heard = []
        daemon.control.on_event.append(lambda kind, what, data: heard.append((kind, what, data.get("model"))))
        await daemon.control.monitor.ready.wait()
        await granted(daemon, LLAMA8, 1)
        assert [one for one in heard if one[0] == "residency"] == [
            ("residency", "loading", LLAMA8),
            ("residency", "loaded", LLAMA8),
        ]


async def test_a_fault_of_ours_ends_the_move_and_leaves_no_trace(monkeypatch):
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()

        async def broken(*_args, **_more):
            raise RuntimeError("a bug")

        monkeypatch.setattr(daemon.control.loader.moves, "bring_in", broken)
        refused = await granted(daemon, LLAMA8, 1)
        assert (refused.code, "RuntimeError at" in refused.message) == ("load_failed", True)
        daemon.faults.clear()
        weights = daemon.control.weights_of(LLAMA8)
        assert daemon.control.scheduler.state.swapping_since(weights) is None


async def test_a_stay_is_renewed_only_for_those_that_are_to_stay(monkeypatch):
    async with open_daemon(config(residency={"idle_unload": None})) as daemon:
        monkeypatch.setattr("innkeepd.residency.clock.epoch", daemon.simulator.wall.epoch)
        await daemon.control.monitor.ready.wait()
        await granted(daemon, LLAMA8, 1)
        resident = daemon.control.scheduler.ledger.residents[daemon.control.weights_of(LLAMA8)]
        before = len(daemon.simulator.requests)
        await anyio.sleep(1000)
        later = [seen for seen in daemon.simulator.requests[before:] if seen.path == "/api/generate"]
        assert later
        assert resident.is_resident
