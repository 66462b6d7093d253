"""The owner alone, on a simulated Ollama; ``tests/flow/test_residency.py`` has its hours with clients."""

import anyio
import pytest

from innkeepd.keeper import KEEP_ALIVE
from innkeepd.outbound.backend import BackendFault, Running
from innkeepd.outbound.watch import Observation
from innkeepd.policy import events as ev
from innkeepd.policy.pressure import HOLD
from innkeepd.policy.reading import Reading
from support.house import LLAMA8, QWEN, SleepingMac, config, mock_clock, open_house

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


def ticket(house, name, number=1):
    return ev.Ticket(f"t{number}", (house.keeper.weights_of(name),))


async def settled(place):
    while place.settled is None:
        await place.change(within=1.0)
    return place.settled


async def test_a_place_becomes_a_lease_and_leaving_gives_it_back():
    async with open_house() as house:
        await house.keeper.ready.wait()
        async with house.keeper.line(ticket(house, LLAMA8)) as place:
            grant = await settled(place)
            assert isinstance(grant, ev.Grant)
            assert house.keeper.scheduler.leases.count(grant.weights) == 1
            assert house.keeper.awake._work == {"answer": 1}
            await place.change(within=1000.0)  # settled: nothing to wait for
        assert house.keeper.scheduler.leases.all() == []
        assert not house.keeper.awake._work


async def test_a_refused_place_holds_nothing():
    async with open_house() as house:
        await house.keeper.ready.wait()
        async with house.keeper.line(ticket(house, "nobody:1b")) as place:
            assert (await settled(place)).code == "model_missing"
        assert house.is_quiet()
        assert house.keeper.counts.refusals == 1


async def test_a_lease_taken_back_cancels_the_work_under_it_and_any_that_would_begin():
    async with open_house() as house:
        await house.keeper.ready.wait()
        async with house.keeper.line(ticket(house, LLAMA8)) as place:
            await settled(place)
            with anyio.CancelScope() as work:
                place.works_in(work)
                house.keeper.revoke_all("on_hold", "now")
                await anyio.sleep_forever()
            assert (place.revoked.code, place.revoked.message) == ("on_hold", "now")
            with anyio.CancelScope() as later:
                place.works_in(later)
                await anyio.sleep_forever()
            assert later.cancelled_caught


async def test_a_grant_for_somebody_who_has_left_is_released_at_once():
    async with open_house() as house:
        await house.keeper.ready.wait()
        house.keeper.post(ev.Asked(ticket(house, LLAMA8)))
        await anyio.sleep(20)
        assert house.is_quiet()


async def test_names_in_ps_that_nobody_knows_are_looked_up_before_they_count():
    async with open_house() as house:
        await house.keeper.ready.wait()
        asked = len(house.asked("/api/tags"))
        now = anyio.current_time()
        house.keeper._observe(Observation(now, [Running("stranger:1b", 2**30)]))
        assert house.keeper.scheduler.house.residents == {}
        await anyio.sleep(0.1)
        assert len(house.asked("/api/tags")) == asked + 1
        house.keeper._observe(Observation(anyio.current_time(), [Running("stranger:1b", 2**30)]))
        assert list(house.keeper.scheduler.house.residents) == ["stranger:1b"]
        await anyio.sleep(0.1)
        assert len(house.asked("/api/tags")) == asked + 1


async def test_an_odd_fault_while_looking_names_up_is_told_and_outlived(monkeypatch):
    async with open_house() as house:
        await house.keeper.ready.wait()
        heard = []
        house.keeper.on_event.append(lambda *event: heard.append(event))

        async def broken():
            raise ValueError("odd")

        monkeypatch.setattr(house.keeper.backend, "pulled", broken)
        house.keeper.look_anew()
        await anyio.sleep(1)
        assert [what for kind, what, _ in heard if kind == "log"] == ["a fault of innkeepd itself"]
        assert not house.keeper._learning


async def test_keep_alive_is_longer_than_our_own_idle_time():
    for idle, seconds in ((300.0, KEEP_ALIVE), (7200.0, 7500.0), (None, KEEP_ALIVE)):
        async with open_house(config(residency={"idle_unload": idle})) as house:
            assert house.keeper.keep_alive() == seconds


async def test_time_goes_on_while_the_machine_sleeps():
    sleep = SleepingMac()
    async with open_house(sleep=sleep) as house:
        await house.keeper.ready.wait()
        before = house.keeper.now()
        sleep.asleep += 500.0
        house.keeper.measure()
        assert house.keeper.now() - before == pytest.approx(500.0, abs=1)


async def test_a_machine_whose_memory_cannot_be_read_begins_nothing_and_breaks_nothing():
    class Blind:
        def read(self):
            return Reading(platform="x", source="none")

    async with open_house(memory=Blind()) as house:
        guest = house.connect()
        assert (await guest.told("hi", model=LLAMA8)).code in {"never_fits", "model_missing"}
        assert (await guest.status()).memory.budget == 0


async def test_taking_out_what_is_not_there_is_done_at_once():
    async with open_house() as house:
        await house.keeper.ready.wait()
        await house.keeper.take_out((house.keeper.weights_of(QWEN),))


async def test_taking_out_what_does_not_go_is_a_fault(monkeypatch):
    async with open_house() as house:
        await house.connect().told("hi", model=LLAMA8)
        house.simulator.fail("unload_stuck", LLAMA8, seconds=100.0)
        with pytest.raises(BackendFault, match="did not leave memory"):
            await house.keeper.take_out((house.keeper.weights_of(LLAMA8),))


async def test_closing_refuses_who_comes_and_waits_for_who_works():
    async with open_house() as house:
        await house.keeper.ready.wait()
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


async def test_pressure_is_told_once_and_falls_only_after_it_has_held():
    async with open_house() as house:
        heard = []
        house.keeper.on_event.append(lambda *event: heard.append(event[1]) if event[0] == "memory" else None)
        house.simulator.machine.pressure_level = 2
        await anyio.sleep(120)
        house.simulator.machine.pressure_level = 1
        await anyio.sleep(HOLD + 20)
        assert heard == ["pressure is warning", "pressure is normal"]


async def test_the_journal_hears_every_event_and_its_actions():
    written = []
    async with open_house(journal=lambda now, event, actions: written.append((now, event, actions))) as house:
        await house.connect().told("hi", model=LLAMA8)
        kinds = [type(event) for _, event, _ in written]
        assert {ev.Known, ev.Measured, ev.Asked, ev.LoadEnded, ev.Released, ev.Observed} <= set(kinds)
        assert any(isinstance(action, ev.Load) for _, _, actions in written for action in actions)
        assert [now for now, _, _ in written] == sorted(now for now, _, _ in written)
