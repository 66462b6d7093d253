import anyio
import msgspec
import pytest

from innkeepd.backends.ollama import OllamaBackend
from innkeepd.policy.model import GIB
from innkeepd.residency.moves import BACK_WITHIN, GONE_WITHIN, Moves
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import V17
from support.daemon import LLAMA8, QWEN, mock_clock
from support.transport import MemoryTransport


@pytest.fixture
def anyio_backend():
    return mock_clock()


pytestmark = pytest.mark.anyio


class Yard:
    """Moves on a simulated Ollama; weights are called as names are, in capitals."""

    def __init__(self, load_timeout=60.0):
        self.simulator = Simulator(ollama=V17)  # there the memory comes back after the model has left the list
        self.seen = []
        self.moves = Moves(
            OllamaBackend(MemoryTransport(self.simulator)),
            weights_of=str.upper,
            free=self.simulator.machine.system_free,
            load_timeout=lambda: load_timeout,
            observed=lambda sent, running: self.seen.append((sent, running)),
        )

    async def bring(self, name=LLAMA8, context=4096):
        return await self.moves.bring_in(name.upper(), name, context=context, keep_alive=1800)

    async def take(self, name=LLAMA8):
        return await self.moves.take_out(name.upper(), name)


async def test_a_load_is_proved_and_tells_what_it_takes():
    yard = Yard()
    outcome = await yard.bring()
    assert outcome.code is None
    assert outcome.footprint == yard.simulator.runners.standing()[0].size
    assert outcome.seconds == pytest.approx(4.0, abs=0.5)
    assert yard.seen[-1][1][0].name == LLAMA8


async def test_an_unload_is_proved_by_ps_and_by_the_memory_that_came_back():
    yard = Yard()
    before = yard.simulator.machine.system_free()
    await yard.bring()
    outcome = await yard.take()
    assert outcome.code is None
    assert yard.simulator.resident == []
    assert yard.simulator.machine.system_free() >= before * 0.9
    assert outcome.seconds > 0.5


async def test_what_another_program_took_during_the_load_is_not_all_awaited_at_the_unload():
    yard, others = Yard(), [0]
    yard.moves._free = lambda: yard.simulator.machine.system_free() - others[0]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(yard.bring)
        await anyio.sleep(1)
        others[0] = 12 * GIB
    others[0] -= 4 * GIB
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(yard.take)
        await anyio.sleep(0.01)
        others[0] -= 4 * GIB
        began = anyio.current_time()
    assert anyio.current_time() - began < BACK_WITHIN


async def test_a_size_that_ps_does_not_tell_is_unknown_and_the_unload_still_waits_for_the_memory(monkeypatch):
    yard = Yard()
    told = yard.moves._backend.running

    async def sizeless():
        return [msgspec.structs.replace(line, size=0) for line in await told()]

    monkeypatch.setattr(yard.moves._backend, "running", sizeless)
    outcome = await yard.moves.bring_in(LLAMA8.upper(), LLAMA8, context=4096, keep_alive=1800, expected=5 * GIB)
    assert (outcome.code, outcome.footprint) == (None, None)
    assert yard.moves._falls[LLAMA8.upper()] > 4 * GIB
    before = yard.simulator.machine.system_free()
    await yard.take()
    assert yard.simulator.machine.system_free() - before > 4 * GIB
    await yard.bring()
    assert yard.moves._falls[LLAMA8.upper()] > 4 * GIB, "without an estimate the whole fall counts"


async def test_where_the_process_is_known_its_end_is_the_proof_and_nobody_waits_for_free_memory():
    """A model that was idle for minutes looks free on a Mac already: waiting for its memory costs 5 s for nothing."""
    yard, alive = Yard(), [True, True, False]
    await yard.bring()
    yard.moves._free = lambda: 0
    yard.moves._pid_of, yard.moves._is_alive = lambda _weights: 7, lambda _pid: alive.pop(0)
    outcome = await yard.take()
    assert (outcome.code, alive, yard.moves._falls) == (None, [], {})
    assert outcome.seconds < BACK_WITHIN


async def test_a_process_that_does_not_end_is_a_failed_unload():
    yard = Yard()
    await yard.bring()
    yard.moves._pid_of, yard.moves._is_alive = lambda _weights: 7, lambda _pid: True
    outcome = await yard.take()
    assert (outcome.code, "its process 7 still runs" in outcome.message) == ("load_failed", True)


async def test_an_unload_of_what_is_not_there_is_done():
    outcome = await Yard().take()
    assert outcome.code is None
    assert outcome.seconds < 0.1


async def test_a_model_that_stays_is_a_failed_unload():
    yard = Yard()
    await yard.bring()
    yard.simulator.fail("unload_stuck", LLAMA8)
    began = anyio.current_time()
    outcome = await yard.take()
    assert (outcome.code, "still in memory" in outcome.message) == ("load_failed", True)
    assert anyio.current_time() - began == pytest.approx(GONE_WITHIN, abs=1)


@pytest.mark.parametrize(
    ("how", "code"), [("load_failure", "load_failed"), ("out_of_memory", "out_of_memory"), ("queue_full", "queue_full")]
)
async def test_a_failed_load_keeps_ollamas_words(how, code):
    yard = Yard()
    yard.simulator.fail(how, LLAMA8)
    outcome = await yard.bring()
    assert outcome.code == code
    assert outcome.message


async def test_a_model_that_is_not_pulled_is_missing():
    assert (await Yard().bring("nobody:1b")).code == "model_missing"


async def test_an_ollama_out_of_reach_is_asked_three_times():
    yard = Yard()
    yard.simulator.fail("refuse", LLAMA8, times=2)
    assert (await yard.bring()).code is None
    yard.simulator.stop()
    before = len(yard.simulator.requests)
    assert (await yard.bring()).code == "backend_unreachable"
    assert len(yard.simulator.requests) - before == 3


async def test_a_load_that_hangs_is_given_up_and_waited_out_of_memory():
    yard = Yard(load_timeout=10.0)
    yard.simulator.fail("load_hang", QWEN)
    outcome = await yard.bring(QWEN)
    assert (outcome.code, outcome.message) == ("load_failed", f"{QWEN} did not load within 10 s")
    assert yard.simulator.resident == []
    assert [request.body["keep_alive"] for request in yard.simulator.requests if request.path == "/api/generate"][
        -1
    ] == 0


async def test_a_load_that_ollama_claims_and_ps_does_not_show_is_failed(monkeypatch):
    yard = Yard()

    async def nothing():
        return []

    monkeypatch.setattr(yard.moves._backend, "running", nothing)
    outcome = await yard.bring()
    assert (outcome.code, "does not list it" in outcome.message) == ("load_failed", True)


async def test_an_unload_that_ollama_refuses_is_failed(monkeypatch):
    yard = Yard()
    await yard.bring()
    yard.simulator.fail("queue_full", LLAMA8)
    assert (await yard.take()).message.startswith(f"{LLAMA8} could not be unloaded")


async def test_a_stay_is_renewed_without_a_reload_and_a_failure_of_it_is_no_fault():
    yard = Yard()
    await yard.bring()
    await yard.moves.renew(LLAMA8, context=4096, keep_alive=7200)
    assert yard.simulator.runners.standing()[0].expires - anyio.current_time() == pytest.approx(7200, abs=1)
    assert len(yard.simulator.loads) == 1
    yard.simulator.stop()
    await yard.moves.renew(LLAMA8, context=4096, keep_alive=7200)


async def never(*_args, **_more):
    await anyio.sleep_forever()


async def test_an_unload_that_is_never_answered_is_proved_all_the_same(monkeypatch):
    yard = Yard()
    await yard.bring()
    backend = yard.moves._backend
    unload = backend.unload

    async def heard_but_not_answered(name):
        await unload(name)
        await never()

    monkeypatch.setattr(backend, "unload", heard_but_not_answered)
    outcome = await yard.take()
    assert (outcome.code, outcome.seconds < 10) == (None, True)


async def test_an_unload_that_is_neither_answered_nor_done_comes_to_its_end(monkeypatch):
    yard = Yard()
    await yard.bring()
    monkeypatch.setattr(yard.moves._backend, "unload", never)
    began = anyio.current_time()
    assert (await yard.take()).code == "load_failed"
    assert anyio.current_time() - began < GONE_WITHIN + 10


@pytest.mark.parametrize("looks", [1, 3])
async def test_a_look_that_is_never_answered_holds_nothing_up(monkeypatch, looks):
    yard = Yard()
    await yard.bring()
    running, asked = yard.moves._backend.running, []

    async def hangs_at_first():
        asked.append(anyio.current_time())
        if len(asked) <= looks:
            await never()
        return await running()

    monkeypatch.setattr(yard.moves._backend, "running", hangs_at_first)
    with anyio.fail_after(60):
        await yard.take()
    assert yard.simulator.resident == []


async def test_an_engine_that_dies_in_mid_unload_is_unreachable_and_not_a_failed_unload(monkeypatch):
    yard = Yard()
    await yard.bring()
    monkeypatch.setattr(yard.moves._backend, "running", never)
    began = anyio.current_time()
    outcome = await yard.take()
    assert outcome.code == "backend_unreachable"
    assert anyio.current_time() - began < 45
