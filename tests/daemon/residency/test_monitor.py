"""What is observed of the world: memory, and what Ollama holds."""

import anyio
import pytest

from innkeep import wire
from innkeepd.policy.memory.pressure import HOLD
from innkeepd.policy.memory.reading import Reading
from innkeepd.residency import snapshot
from innkeepd.residency.watch import Observation
from support.daemon import LLAMA8, SleepingMac, mock_clock, open_daemon, ticket

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_another_version_is_told_and_what_is_pulled_is_read_anew():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        heard, own = [], daemon.control.monitor.observation.version
        daemon.control.on_event.append(lambda *event: heard.append(event))
        asked = len(daemon.asked("/api/tags"))
        daemon.control.monitor.watch.take(Observation(anyio.current_time(), [], "0.99.0"))
        await anyio.sleep(0.1)
        assert [data["to"] for _, what, data in heard if what == "version changed"] == ["0.99.0", own]
        assert len(daemon.asked("/api/tags")) > asked
        daemon.control.monitor.watch.take(Observation(anyio.current_time(), [], "0.99.0"))
        assert any("0.99.0 was never tested" in text for text in snapshot.warnings(daemon.control))


async def test_a_ps_that_is_blocked_accuses_the_runner_and_not_ollama():
    async with open_daemon() as daemon:
        monitor, client = daemon.control.monitor, daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        blocked = Observation(anyio.current_time(), None, "0.33.0", "no answer in 5 s", is_blocked=True)
        monitor.watch.take(blocked)
        status = await client.status()
        assert status.backend.reachable
        assert status.warnings == [f"the runner of {LLAMA8} does not answer: Ollama lives, but /api/ps waits for it"]
        assert [r.name for r in status.resident] == [LLAMA8], "nothing is known anew, so nothing is forgotten"
        await client.chat_to_end("hi", model=LLAMA8)
        monitor.watch.take(Observation(anyio.current_time(), []))
        assert (await client.status()).warnings == []


async def test_a_blocked_ps_without_a_suspect_and_one_during_our_own_load_are_told_apart():
    async with open_daemon() as daemon:
        monitor, client = daemon.control.monitor, daemon.connect()
        await monitor.ready.wait()
        monitor.watch.take(Observation(anyio.current_time(), None, None, "no answer in 5 s", is_blocked=True))
        assert monitor.blocked_by().startswith("a runner does not answer")
        number = await client.chat("hi", model=LLAMA8)
        await client.until(number, wire.Loading)
        monitor.watch.take(Observation(anyio.current_time(), None, None, "no answer in 5 s", is_blocked=True))
        assert monitor.blocked_by() is None
        await client.end(number)


async def test_a_request_does_not_wait_behind_a_blocked_ps(monkeypatch):
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)

        async def never():
            await anyio.sleep_forever()

        monkeypatch.setattr(daemon.control.backend, "running", never)
        await daemon.control.monitor.watch.observe_now()
        began = anyio.current_time()
        await client.chat_to_end("hi", model=LLAMA8)
        assert anyio.current_time() - began < 5


async def test_time_goes_on_while_the_machine_sleeps():
    sleep = SleepingMac()
    async with open_daemon(sleep=sleep) as daemon:
        await daemon.control.monitor.ready.wait()
        before = daemon.control.now()
        sleep.asleep += 500.0
        daemon.control.monitor.measure()
        assert daemon.control.now() - before == pytest.approx(500.0, abs=1)


async def test_a_machine_whose_memory_cannot_be_read_begins_nothing_and_breaks_nothing():
    class Blind:
        def read(self):
            return Reading(platform="x", source="none")

    async with open_daemon(memory=Blind()) as daemon:
        client = daemon.connect()
        assert (await client.chat_to_end("hi", model=LLAMA8)).code in {"never_fits", "model_missing"}
        assert (await client.status()).memory.budget == 0


async def test_pressure_is_told_once_and_falls_only_after_it_has_held():
    async with open_daemon() as daemon:
        heard = []
        daemon.control.on_event.append(lambda *event: heard.append(event[1]) if event[0] == "memory" else None)
        daemon.simulator.machine.pressure_level = 2
        await anyio.sleep(120)
        daemon.simulator.machine.pressure_level = 1
        await anyio.sleep(HOLD + 20)
        assert heard == ["pressure is warning", "pressure is normal"]


async def test_memory_that_cannot_be_read_stays_as_it_was_and_is_told_once():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        before, read = daemon.control.monitor.reading, daemon.control.monitor._memory.read

        def no_descriptor():
            raise OSError(24, "Too many open files")

        daemon.control.monitor._memory.read = no_descriptor
        for _ in range(3):
            daemon.control.monitor.measure()
        assert daemon.control.monitor.free_now() is None
        assert daemon.control.monitor.reading is before
        assert len(daemon.faults) == 1
        daemon.control.monitor._memory.read = read
        assert isinstance(await daemon.connect().chat_to_end("hi", model=LLAMA8), wire.Done)
        daemon.faults.clear()


async def test_an_observation_from_before_a_sleep_is_not_fresh():
    sleep = SleepingMac()
    async with open_daemon(sleep=sleep) as daemon:
        await daemon.control.monitor.ready.wait()
        await daemon.connect().chat_to_end("hi", model=LLAMA8)
        await daemon.control.monitor.watch.observe_now()
        asked = len(daemon.asked("/api/ps"))
        sleep.asleep += 8 * 3600.0
        async with daemon.control.lease(ticket(daemon, LLAMA8)):
            assert len(daemon.asked("/api/ps")) > asked
