"""What is observed of the world: memory, and what Ollama holds."""

import anyio
import pytest

from innkeep import wire
from innkeepd.policy.memory.pressure import HOLD
from innkeepd.policy.memory.reading import Reading
from innkeepd.residency import snapshot
from innkeepd.residency.watch import Observation
from support.house import LLAMA8, SleepingMac, mock_clock, open_house, ticket

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_another_version_is_told_and_what_is_pulled_is_read_anew():
    async with open_house() as house:
        await house.keeper.monitor.ready.wait()
        heard, own = [], house.keeper.monitor.observation.version
        house.keeper.on_event.append(lambda *event: heard.append(event))
        asked = len(house.asked("/api/tags"))
        house.keeper.monitor.watch.take(Observation(anyio.current_time(), [], "0.99.0"))
        await anyio.sleep(0.1)
        assert [data["to"] for _, what, data in heard if what == "version changed"] == ["0.99.0", own]
        assert len(house.asked("/api/tags")) > asked
        house.keeper.monitor.watch.take(Observation(anyio.current_time(), [], "0.99.0"))
        assert any("0.99.0 was never proved" in text for text in snapshot.warnings(house.keeper))


async def test_a_ps_that_is_blocked_accuses_the_runner_and_not_ollama():
    async with open_house() as house:
        monitor, guest = house.keeper.monitor, house.connect()
        await guest.told("hi", model=LLAMA8)
        blocked = Observation(anyio.current_time(), None, "0.33.0", "no answer in 5 s", is_blocked=True)
        monitor.watch.take(blocked)
        status = await guest.status()
        assert status.backend.reachable
        assert status.warnings == [f"the runner of {LLAMA8} does not answer: Ollama lives, but /api/ps waits for it"]
        assert [r.name for r in status.resident] == [LLAMA8], "nothing is known anew, so nothing is forgotten"
        await guest.told("hi", model=LLAMA8)
        monitor.watch.take(Observation(anyio.current_time(), []))
        assert (await guest.status()).warnings == []


async def test_a_blocked_ps_without_a_suspect_and_one_during_our_own_load_are_told_apart():
    async with open_house() as house:
        monitor, guest = house.keeper.monitor, house.connect()
        await monitor.ready.wait()
        monitor.watch.take(Observation(anyio.current_time(), None, None, "no answer in 5 s", is_blocked=True))
        assert monitor.blocked_by().startswith("a runner does not answer")
        number = await guest.chat("hi", model=LLAMA8)
        await guest.until(number, wire.Loading)
        monitor.watch.take(Observation(anyio.current_time(), None, None, "no answer in 5 s", is_blocked=True))
        assert monitor.blocked_by() is None
        await guest.end(number)


async def test_a_request_does_not_wait_behind_a_blocked_ps(monkeypatch):
    async with open_house() as house:
        guest = house.connect()
        await guest.told("hi", model=LLAMA8)

        async def never():
            await anyio.sleep_forever()

        monkeypatch.setattr(house.keeper.backend, "running", never)
        await house.keeper.monitor.watch.observe_now()
        began = anyio.current_time()
        await guest.told("hi", model=LLAMA8)
        assert anyio.current_time() - began < 5


async def test_time_goes_on_while_the_machine_sleeps():
    sleep = SleepingMac()
    async with open_house(sleep=sleep) as house:
        await house.keeper.monitor.ready.wait()
        before = house.keeper.now()
        sleep.asleep += 500.0
        house.keeper.monitor.measure()
        assert house.keeper.now() - before == pytest.approx(500.0, abs=1)


async def test_a_machine_whose_memory_cannot_be_read_begins_nothing_and_breaks_nothing():
    class Blind:
        def read(self):
            return Reading(platform="x", source="none")

    async with open_house(memory=Blind()) as house:
        guest = house.connect()
        assert (await guest.told("hi", model=LLAMA8)).code in {"never_fits", "model_missing"}
        assert (await guest.status()).memory.budget == 0


async def test_pressure_is_told_once_and_falls_only_after_it_has_held():
    async with open_house() as house:
        heard = []
        house.keeper.on_event.append(lambda *event: heard.append(event[1]) if event[0] == "memory" else None)
        house.simulator.machine.pressure_level = 2
        await anyio.sleep(120)
        house.simulator.machine.pressure_level = 1
        await anyio.sleep(HOLD + 20)
        assert heard == ["pressure is warning", "pressure is normal"]


async def test_memory_that_cannot_be_read_stays_as_it_was_and_is_told_once():
    async with open_house() as house:
        await house.keeper.monitor.ready.wait()
        before, read = house.keeper.monitor.reading, house.keeper.monitor._memory.read

        def no_descriptor():
            raise OSError(24, "Too many open files")

        house.keeper.monitor._memory.read = no_descriptor
        for _ in range(3):
            house.keeper.monitor.measure()
        assert house.keeper.monitor.free_now() is None
        assert house.keeper.monitor.reading is before
        assert len(house.faults) == 1
        house.keeper.monitor._memory.read = read
        assert isinstance(await house.connect().told("hi", model=LLAMA8), wire.Done)
        house.faults.clear()


async def test_an_observation_from_before_a_sleep_is_not_fresh():
    sleep = SleepingMac()
    async with open_house(sleep=sleep) as house:
        await house.keeper.monitor.ready.wait()
        await house.connect().told("hi", model=LLAMA8)
        await house.keeper.monitor.watch.observe_now()
        asked = len(house.asked("/api/ps"))
        sleep.asleep += 8 * 3600.0
        async with house.keeper.lease(ticket(house, LLAMA8)):
            assert len(house.asked("/api/ps")) > asked
