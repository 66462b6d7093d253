"""A daemon before runners that grow: what they hold is told, one over the budget is loaded anew in time."""

import anyio
import pytest

from innkeep import wire
from innkeepd.machine.runners import Runner, Runners
from innkeepd.policy.model import GIB
from innkeepd.residency import snapshot
from support.daemon import HOUR, LLAMA8, QWEN, mock_clock, open_daemon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


class Growing:
    """The runners of a simulated Ollama: each answer leaves ``each`` bytes behind, until the runner is gone."""

    def __init__(self, each=0):
        self.each = each
        self.simulator = None
        self.orphans = ()
        self.most_loaded = None
        self.looks = 0

    def growth(self, runner):
        loaded = self.simulator.loads[-1].at if self.simulator.loads else 0.0
        asked = [r for r in self.simulator.requests if r.path == "/api/chat" and r.at >= loaded]
        return self.each * sum(r.body["model"] == runner.model.name for r in asked)

    async def look(self):
        self.looks += 1
        found = [
            Runner(1000 + n, "llama-server", f"sha256-{r.model.blob}", r.size + self.growth(r), GIB + self.growth(r))
            for n, r in enumerate(self.simulator.runners.standing())
            if r.ready
        ]
        return Runners(tuple(found), self.orphans, 10, self.most_loaded)

    def is_alive(self, pid):
        return pid - 1000 < len(self.simulator.runners.standing())


async def test_what_a_runner_holds_is_told_beside_what_ps_says():
    growing = Growing(each=GIB)
    async with open_daemon(runners=growing) as daemon:
        growing.simulator = daemon.simulator
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        await anyio.sleep(3)
        (reported,) = (await client.status()).resident
        assert reported.grown == GIB
        assert reported.footprint == reported.process
        kept = next(each for each in snapshot.models(daemon.control, daemon.app.config) if each.name == LLAMA8)
        (grown,) = kept.estimates.growths.values()
        assert grown.value == GIB
        assert kept.footprint == reported.footprint - GIB, "what it takes after a load is no growth"


async def test_a_model_that_grew_over_the_budget_is_loaded_anew_when_nobody_uses_it():
    growing = Growing(each=4 * GIB)
    async with open_daemon(runners=growing) as daemon:
        growing.simulator = daemon.simulator
        client = daemon.connect()
        for _ in range(2):
            assert isinstance(await client.chat_to_end("write code [simulate tokens 20]", model=QWEN), wire.Done)
        await anyio.sleep(60)
        status = await client.status()
        assert (daemon.loads(), status.counters.recycles, [r.grown for r in status.resident]) == ([QWEN, QWEN], 1, [0])
        for _ in range(2):
            await client.chat_to_end("write code", model=QWEN)
        await anyio.sleep(60)
        status = await client.status()
        assert (status.counters.recycles, status.resident) == (1, []), "not twice in an hour"
        await anyio.sleep(HOUR)


async def test_processes_are_not_looked_at_while_nothing_happens():
    growing = Growing()
    async with open_daemon(runners=growing) as daemon:
        growing.simulator = daemon.simulator
        await anyio.sleep(2 * HOUR)
        assert growing.looks == 1


async def test_runners_left_behind_are_named_and_their_memory_counts():
    growing = Growing()
    growing.orphans = (Runner(77, "llama-server", None, 4 * GIB, 4 * GIB), Runner(78, "ollama"))
    async with open_daemon(runners=growing) as daemon:
        growing.simulator = daemon.simulator
        client, heard = daemon.connect(), []
        daemon.control.on_event.append(lambda kind, what, data: heard.append((what, data.get("pid"))))
        await anyio.sleep(5)
        status = await client.status()
        assert status.memory.budget == 23 * GIB
        assert status.warnings == [
            "llama-server (pid 77) was left over from an Ollama that was killed and holds 4.0 GiB: kill 77",
            "ollama (pid 78) was left over from an Ollama that was killed: kill 78",
        ]
        assert ("runner left behind", 77) in heard


async def test_ollamas_own_number_of_models_is_kept_to():
    growing = Growing()
    growing.most_loaded = 1
    async with open_daemon(runners=growing) as daemon:
        growing.simulator = daemon.simulator
        client = daemon.connect()
        await anyio.sleep(20)
        await client.chat_to_end("write code", model=QWEN)
        await client.chat_to_end("hi", model=LLAMA8)
        assert [resident.name for resident in (await client.status()).resident] == [LLAMA8]


async def test_a_model_that_runs_partly_on_the_cpu_is_told(monkeypatch):
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        monkeypatch.setattr(daemon.simulator.machine, "metal", 4 * GIB)
        await daemon.control.monitor.watch.observe_now()
        status = await client.status()
        assert status.resident[0].on_cpu > GIB
        assert status.warnings == [
            f"{LLAMA8} runs partly on the CPU (1.3 GiB of it did not fit the GPU): it answers slowly"
        ]
