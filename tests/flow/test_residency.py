"""What stands in memory: pins, idleness, pressure, holds, other programs' loads, restarts, and two heavy ones never."""

import itertools
import random

import anyio
import pytest

from innkeep import wire
from innkeepd.backends.backend import BackendFault
from innkeepd.simulator.catalog import GIB
from innkeepd.simulator.engine import Simulator
from innkeepd.store.records import MemoryHistory
from support.daemon import DEEPSEEK, HOUR, LLAMA8, QWEN, SleepingMac, config, open_daemon
from support.transport import MemoryTransport, fetch

pytestmark = pytest.mark.anyio
CODE, WHY = "debug this function", "why is the sky blue"


async def foreign(daemon, name, **more):
    """Another program asks Ollama directly."""
    body = {"model": name, "messages": [{"role": "user", "content": "hi"}], "stream": False, **more}
    return await fetch(MemoryTransport(daemon.simulator), "POST", "/api/chat", body)


# ---- idleness and pins -----------------------------------------------------------------------------------------------


async def test_idle_unload_at_once_and_never():
    async with open_daemon(config(residency={"idle_unload": 0.0})) as daemon:
        await daemon.connect().chat_to_end(CODE)
        await anyio.sleep(2)
        assert daemon.simulator.resident == []
    async with open_daemon(config(residency={"idle_unload": None})) as daemon:
        await daemon.connect().chat_to_end(CODE)
        await anyio.sleep(20 * 60)
        assert daemon.simulator.resident == [QWEN]


async def test_a_model_that_never_leaves_is_renewed_before_ollama_lets_it_go(monkeypatch):
    async with open_daemon(config(residency={"idle_unload": None})) as daemon:
        monkeypatch.setattr("innkeepd.residency.clock.epoch", daemon.simulator.wall.epoch)
        await daemon.connect().chat_to_end(CODE)
        await anyio.sleep(3 * HOUR)
        assert daemon.simulator.resident == [QWEN]
        assert daemon.loads() == [QWEN]
        assert daemon.is_quiet()


async def test_a_pinned_model_outlives_idleness_and_nobody_evicts_it(monkeypatch):
    async with open_daemon() as daemon:
        monkeypatch.setattr("innkeepd.residency.clock.epoch", daemon.simulator.wall.epoch)
        client = daemon.connect()
        await client.chat_to_end(CODE)
        assert (await client.answer(wire.Pin(id=0, model="qwen2.5-coder:32b"))).model == QWEN
        refused = await client.chat_to_end("hi", model=DEEPSEEK)
        assert refused.code == "never_fits"
        assert "innkeep unpin" in refused.message
        await anyio.sleep(2 * HOUR)
        assert daemon.simulator.resident == [QWEN]
        assert (await client.status()).resident[0].pinned
        assert (await client.answer(wire.Unpin(id=0, model=QWEN))).model == QWEN
        assert (await client.chat_to_end("hi", model=DEEPSEEK)).model == DEEPSEEK


async def test_a_pin_survives_a_restart():
    records, simulator = MemoryHistory(), Simulator()
    async with open_daemon(records=records, simulator=simulator) as daemon:
        await daemon.connect().answer(wire.Pin(id=0, model=LLAMA8))
    async with open_daemon(records=records, simulator=simulator) as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        await anyio.sleep(600)
        assert (await client.status()).resident[0].pinned


async def test_pinning_what_is_not_pulled_is_refused_and_unpinning_a_slip_too():
    async with open_daemon() as daemon:
        client = daemon.connect()
        assert (await client.answer(wire.Pin(id=0, model="nobody:1b"))).code == "unknown_model"
        assert (await client.answer(wire.Unpin(id=0, model="nobody:1b"))).code == "unknown_model"
        daemon.control.catalog.pins.add("removed:1b")  # pinned once, no longer pulled
        assert (await client.answer(wire.Unpin(id=0, model="removed:1b"))).model == "removed:1b"
        assert daemon.control.catalog.pins == set()


async def test_who_asks_for_a_model_on_its_way_out_is_told_that_it_is():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        await client.ask(wire.Unload(id=0, model=QWEN))
        while daemon.control.scheduler.ledger.residents[daemon.control.weights_of(QWEN)].is_resident:
            await daemon.control.changed()
        number = await client.chat(CODE)
        loading = await client.until(number, wire.Loading)
        assert (loading.model, loading.unloading) == (QWEN, [QWEN])
        assert (await client.until(number, wire.Loading, 2)).unloading == []
        assert (await client.end(number)).model == QWEN


async def test_who_waits_out_a_hold_is_told_once(monkeypatch):
    async with open_daemon() as daemon:
        epoch, corrections = daemon.simulator.wall.epoch, itertools.cycle((0.0, 0.002))
        monkeypatch.setattr("innkeepd.residency.clock.epoch", lambda: epoch() + next(corrections))
        client = daemon.connect()
        await client.answer(wire.Hold(id=0, seconds=30.0))
        number = await client.chat(CODE)
        assert (await client.end(number)).model == QWEN
        assert sum(isinstance(each, wire.Waiting) for each in client.heard[number]) == 1


# ---- pressure --------------------------------------------------------------------------------------------------------


async def test_warning_takes_the_idle_light_one_and_critical_the_heavy_one_and_loads_are_refused():
    async with open_daemon(simulator=Simulator(others=3 * GIB)) as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        await client.chat_to_end("hi", model=LLAMA8)
        assert sorted(daemon.simulator.resident) == [LLAMA8, QWEN]
        daemon.simulator.machine.pressure_level = 2
        await anyio.sleep(15)
        assert sorted(daemon.simulator.resident) == [LLAMA8, QWEN], "a message may follow: it was used just now"
        await anyio.sleep(60)
        assert daemon.simulator.resident == [QWEN]
        number = await client.chat(f"{CODE} [simulate tokens 300]")
        await client.until(number, wire.Delta)
        daemon.simulator.machine.pressure_level = 4
        await anyio.sleep(12)
        assert daemon.simulator.resident == [QWEN]
        assert isinstance(await client.end(number), wire.Done)
        await anyio.sleep(12)
        assert daemon.simulator.resident == []
        refused = await client.chat_to_end(CODE)
        assert (refused.code, refused.retryable) == ("memory_pressure", True)
        daemon.simulator.machine.pressure_level = 1
        await anyio.sleep(60)
        assert isinstance(await client.chat_to_end(CODE), wire.Done)


# ---- other programs --------------------------------------------------------------------------------------------------


async def test_a_foreign_load_is_shown_adopted_and_served():
    async with open_daemon() as daemon:
        await anyio.sleep(1)
        await foreign(daemon, LLAMA8, options={"num_ctx": 4096})
        await anyio.sleep(31)
        client = daemon.connect()
        status = await client.status()
        assert [(each.name, each.owned) for each in status.resident] == [(LLAMA8, False)]
        assert status.counters.foreign_loads == 1
        assert (await client.chat_to_end("hi", model=LLAMA8)).model == LLAMA8
        assert daemon.loads() == [LLAMA8]


async def test_a_foreign_heavy_load_beside_ours_is_brought_to_order_once_nobody_is_harmed():
    """A Mac so big that Ollama itself would let both of them stand."""
    async with open_daemon(simulator=Simulator(total=96 * GIB, metal=72 * GIB)) as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        number = await client.chat(f"{CODE} [simulate tokens 700]")
        await client.until(number, wire.Delta)
        await foreign(daemon, DEEPSEEK, keep_alive=3600, options={"num_ctx": 8192})
        assert daemon.simulator.journal.most_heavy == 2  # not our doing
        assert isinstance(await client.end(number), wire.Done)
        await anyio.sleep(15)
        assert len(daemon.simulator.heavy) == 1


async def test_a_model_that_another_program_threw_out_is_loaded_again():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        await foreign(daemon, DEEPSEEK)  # Ollama evicts ours for it
        await anyio.sleep(3)
        assert (await client.chat_to_end(CODE)).model == QWEN
        assert daemon.simulator.journal.most_heavy == 1


# ---- restart ---------------------------------------------------------------------------------------------------------


async def test_a_restart_adopts_what_is_loaded_and_unloads_nothing():
    simulator = Simulator()
    async with open_daemon(simulator=simulator) as daemon:
        await daemon.connect().chat_to_end(CODE)
    async with open_daemon(simulator=simulator) as daemon:
        client = daemon.connect()
        assert [each.name for each in (await client.status()).resident] in ([], [QWEN])
        assert (await client.chat_to_end(CODE)).model == QWEN
        assert daemon.loads() == [QWEN]
        assert simulator.unloads == []
        assert (await client.status()).counters.foreign_loads == 0


async def test_the_learned_survives_a_restart():
    simulator, records = Simulator(), MemoryHistory()
    async with open_daemon(simulator=simulator, records=records) as daemon:
        await daemon.connect().chat_to_end(CODE)
        await anyio.sleep(6)
    async with open_daemon(simulator=simulator, records=records) as daemon:
        client = daemon.connect()
        models = await client.answer(wire.ModelsAsk(id=0))
        coder = next(model for model in models.models if model.name == QWEN)
        assert coder.estimates.load.count == 1
        assert coder.fit == "resident"


async def test_an_ollama_that_comes_minutes_after_the_daemon_is_adopted_as_it_stands():
    simulator = Simulator()
    simulator.stop()
    async with open_daemon(simulator=simulator) as daemon:
        client = daemon.connect()
        await anyio.sleep(300)
        assert (await client.chat_to_end(CODE)).code == "backend_unreachable"
        simulator.start()
        await foreign(daemon, QWEN, options={"num_ctx": 8192})
        await anyio.sleep(31)
        assert [each.name for each in (await client.status()).resident] == [QWEN]
        assert (await client.chat_to_end(CODE)).model == QWEN
        assert daemon.loads() == [QWEN]
        assert daemon.simulator.unloads == []


class Hanging(MemoryTransport):
    """An Ollama that takes every request and answers none while ``hangs``."""

    hangs = True

    def request(self, method, path, body=None, headers=None):
        return super().request(method, path, body, headers) if not self.hangs else _Never()


class _Never:
    async def __aenter__(self):
        await anyio.sleep_forever()

    async def __aexit__(self, *_):
        return None


async def test_an_ollama_that_takes_questions_and_never_answers_keeps_nobody_waiting_for_ever():
    async with open_daemon() as daemon:
        daemon.control.backend._http.__class__ = Hanging
        client = daemon.connect()
        error = await client.chat_to_end(CODE)
        assert error.code == "backend_unreachable"
        assert anyio.current_time() < 120
        assert not (await client.status()).backend.reachable
        daemon.control.backend._http.hangs = False
        await anyio.sleep(31)
        assert (await client.chat_to_end(CODE)).model == QWEN


# ---- hold ------------------------------------------------------------------------------------------------------------


async def test_a_hold_lets_answers_end_unloads_everything_and_resume_ends_it():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.answer(wire.Pin(id=0, model=QWEN))
        number = await client.chat(f"{CODE} [simulate tokens 100]")
        await client.until(number, wire.Delta)
        held = await client.answer(wire.Hold(id=0, seconds=600.0))
        assert isinstance(held, wire.Held)
        assert isinstance(await client.end(number), wire.Done)
        assert daemon.simulator.resident == []
        assert (await client.status()).held_until == pytest.approx(held.until, abs=1.0)
        await client.answer(wire.Resume(id=0))
        assert isinstance(await client.chat_to_end(CODE), wire.Done)


async def test_an_answer_that_outlasts_the_drain_of_a_hold_is_ended_as_partial():
    async with open_daemon(config(timeouts={"drain": 5.0})) as daemon:
        client = daemon.connect()
        number = await client.chat(f"{CODE} [simulate tokens 3000]")
        await client.until(number, wire.Delta)
        await client.answer(wire.Hold(id=0, seconds=600.0))
        error = await client.end(number)
        assert (error.code, error.detail["partial"]) == ("on_hold", True)
        assert daemon.simulator.resident == []


async def test_a_chat_bears_a_hold_for_a_minute_or_as_long_as_its_patience():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.answer(wire.Hold(id=0, seconds=300.0))
        began = anyio.current_time()
        number = await client.chat(CODE)
        waiting = await client.until(number, wire.Waiting)
        assert "on hold" in waiting.reason
        assert waiting.until is not None
        assert (await client.end(number)).code == "on_hold"
        assert anyio.current_time() - began == pytest.approx(60, abs=2)
        assert (await client.chat_to_end(CODE, patience=5.0)).code == "on_hold"
        assert (await client.chat_to_end(CODE, patience=600.0)).model == QWEN
        assert anyio.current_time() - began > 280


async def test_a_hold_tells_its_reason_and_its_end_everywhere():
    async with open_daemon() as daemon:
        client = daemon.connect()
        held = await client.answer(wire.Hold(id=0, seconds=1800.0, why="video  call"))
        assert held.why == "video call"
        number = await client.chat(CODE)
        waiting = await client.until(number, wire.Waiting)
        assert (waiting.why, waiting.reason) == ("video call", 'on hold ("video call"); 1st in line')
        assert waiting.refused_at == pytest.approx(held.until - 1740, abs=3)
        status = await client.status()
        assert (status.held_why, status.waiting[0].position) == ("video call", 1)
        error = await client.end(number)
        assert error.message == 'on hold ("video call") for another 29 min; `innkeep resume` ends it'
        assert (await client.answer(wire.Resume(id=0))).was_held
        assert not (await client.answer(wire.Resume(id=0))).was_held
        assert (await client.status()).held_why == ""


async def test_a_hold_survives_a_restart_until_it_is_ended():
    records, simulator = MemoryHistory(), Simulator()
    async with open_daemon(records=records, simulator=simulator) as daemon:
        held = await daemon.connect().answer(wire.Hold(id=0, seconds=1800.0, why="video call"))
    async with open_daemon(records=records, simulator=simulator) as daemon:
        client = daemon.connect()
        status = await client.status()
        assert (status.held_until, status.held_why) == (pytest.approx(held.until, abs=3), "video call")
        await client.answer(wire.Resume(id=0))
    async with open_daemon(records=records, simulator=simulator) as daemon:
        assert (await daemon.connect().status()).held_until is None


async def test_how_long_a_chat_bears_a_hold_is_configured():
    async with open_daemon(config(schedule={"hold_wait": 5.0})) as daemon:
        client = daemon.connect()
        await client.answer(wire.Hold(id=0, seconds=300.0))
        began = anyio.current_time()
        assert (await client.chat_to_end(CODE)).code == "on_hold"
        assert anyio.current_time() - began == pytest.approx(5, abs=1)


async def test_what_a_user_has_set_is_in_the_status():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.answer(wire.Pin(id=0, model=LLAMA8))
        selected = await client.answer(wire.Select(id=0, model=LLAMA8, role="coding"))
        assert (selected.selected, selected.selected_roles) == (None, {"coding": LLAMA8})
        status = await client.status()
        assert (status.resident, status.pins, status.selected_roles) == ([], [LLAMA8], {"coding": LLAMA8})
        assert (await client.answer(wire.ModelsAsk(id=0))).selected_roles == {"coding": LLAMA8}


async def test_the_status_tells_who_waits_and_how_long_it_may_take():
    async with open_daemon() as daemon:
        first, second = daemon.connect(), daemon.connect()
        await second.answer(wire.Hello(id=0, protocol=1, client="innkeep ask"))
        number = await first.chat(f"{WHY} [simulate tokens 400]", role="reasoning")
        await first.until(number, wire.Delta)
        waiting = await second.until(await second.chat(CODE), wire.Waiting)
        assert waiting.answering == [DEEPSEEK]
        waiter = (await first.status()).waiting[0]
        assert (waiter.client, waiter.position, waiter.model) == ("innkeep ask", 1, QWEN)


async def test_a_hold_is_told_although_ollama_went_away_with_its_models():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        daemon.simulator.stop()
        began = anyio.current_time()
        assert isinstance(await client.answer(wire.Hold(id=0, seconds=600.0)), wire.Held)
        assert anyio.current_time() - began < 10


async def test_a_foreign_load_during_a_hold_is_shown_and_not_fought():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        await client.answer(wire.Hold(id=0, seconds=200.0))
        await foreign(daemon, LLAMA8)
        await anyio.sleep(60)
        assert daemon.simulator.resident == [LLAMA8]
        assert [each.owned for each in (await client.status()).resident] == [False]


async def test_a_machine_that_sleeps_through_a_hold_wakes_without_it():
    sleep = SleepingMac()
    async with open_daemon(sleep=sleep) as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        await client.answer(wire.Hold(id=0, seconds=HOUR))
        sleep.asleep += 2 * HOUR
        await anyio.sleep(11)
        assert (await client.status()).held_until is None
        assert isinstance(await client.chat_to_end(CODE), wire.Done)


async def test_a_machine_that_sleeps_judges_idleness_by_real_time_and_a_request_does_not_wait_for_the_next_look():
    sleep = SleepingMac()
    async with open_daemon(sleep=sleep) as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        sleep.asleep += HOUR
        await anyio.sleep(11)
        await anyio.sleep(2)
        assert daemon.simulator.resident == []
        await client.answer(wire.Hold(id=0, seconds=HOUR))
        sleep.asleep += 2 * HOUR
        await anyio.sleep(2.5)
        began = anyio.current_time()
        assert isinstance(await client.chat_to_end("hi", model=LLAMA8), wire.Done)
        assert anyio.current_time() - began < 10


# ---- load and unload -------------------------------------------------------------------------------------------------


async def test_load_and_unload_are_proved():
    async with open_daemon() as daemon:
        client = daemon.connect()
        number = await client.ask(wire.Load(id=0, model=QWEN))
        loaded = await client.end(number)
        assert (loaded.model, loaded.took > 10) == (QWEN, True)
        assert client.kinds(number) == ["Loading", "Loaded"]
        assert daemon.simulator.resident == [QWEN]
        unloaded = await client.answer(wire.Unload(id=0, model=QWEN))
        assert unloaded.model == QWEN
        assert daemon.simulator.resident == []
        assert isinstance(await client.answer(wire.Unload(id=0, all=True)), wire.Unloaded)


async def test_a_load_that_must_wait_tells_loads_only():
    async with open_daemon() as daemon:
        client, other = daemon.connect(), daemon.connect()
        busy = await other.chat("why [simulate tokens 200]", model=DEEPSEEK)
        await other.until(busy, wire.Delta)
        number = await client.ask(wire.Load(id=0, model=QWEN))
        assert isinstance(await client.end(number), wire.Loaded)
        assert client.kinds(number) == ["Loading", "Loaded"]


async def test_an_unload_of_a_model_that_somebody_waits_for_is_no_failure():
    async with open_daemon() as daemon:
        client = daemon.connect()
        first = await client.chat(f"{CODE} [simulate tokens 200]")
        await client.until(first, wire.Delta)
        second = await client.chat(CODE)
        assert isinstance(await client.answer(wire.Unload(id=0, model=QWEN)), wire.Unloaded)
        assert isinstance(await client.end(first), wire.Done)
        assert isinstance(await client.end(second), wire.Done)
        assert daemon.loads() == [QWEN, QWEN]


async def test_an_unload_that_ollama_does_not_perform_is_told():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        daemon.simulator.fail("unload_stuck", QWEN, seconds=60.0)
        error = await client.answer(wire.Unload(id=0, model=QWEN))
        assert error.code == "load_failed"
        assert "did not leave memory" in error.message


async def test_nothing_heavy_is_loaded_on_top_of_one_that_does_not_leave():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        daemon.simulator.fail("unload_stuck", QWEN, seconds=90.0)
        done = await client.chat_to_end(WHY)
        assert done.model == QWEN  # its fallback, still there
        assert daemon.simulator.journal.most_heavy == 1
        await anyio.sleep(200)
        assert (await client.chat_to_end(WHY)).model == DEEPSEEK


async def test_a_fault_of_ours_in_a_move_ends_that_move_and_not_the_daemon(monkeypatch):
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.status()

        async def broken(*_args, **_more):
            raise RuntimeError("a bug")

        monkeypatch.setattr(daemon.control.loader.moves, "bring_in", broken)
        error = await client.chat_to_end("hi", model=LLAMA8)
        assert error.code == "load_failed"
        assert "RuntimeError at" in error.message
        daemon.faults.clear()
        monkeypatch.undo()
        await anyio.sleep(61)
        assert isinstance(await client.chat_to_end("hi", model=LLAMA8), wire.Done)


async def test_odd_answers_of_ollama_about_what_is_pulled_change_nothing(monkeypatch):
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)

        async def odd():
            raise BackendFault("backend_error", "/api/tags did not answer as Ollama does")

        monkeypatch.setattr(daemon.control.backend, "pulled", odd)
        assert len((await client.answer(wire.ModelsAsk(id=0))).models) == 4
        assert isinstance(await client.chat_to_end(CODE), wire.Done)


# ---- never two -------------------------------------------------------------------------------------------------------


async def test_a_b_a_b_swaps_each_time_and_never_holds_two():
    async with open_daemon() as daemon:
        client = daemon.connect()
        for _ in range(4):
            assert (await client.chat_to_end(CODE)).model == QWEN
            assert (await client.chat_to_end(WHY)).model == DEEPSEEK
        assert daemon.loads() == [QWEN, DEEPSEEK] * 4
        assert daemon.simulator.journal.most_heavy == 1
        assert daemon.control.counts["swaps"] == 7


@pytest.mark.parametrize("seed", [0, 2])
async def test_in_a_storm_of_fifty_clients_two_heavy_ones_never_stand_together_and_all_are_answered(seed):
    dice = random.Random(seed)
    simulator = Simulator(others=dice.choice([3, 6]) * GIB)
    ended = []
    async with open_daemon(config(timeouts={"stall": 20.0, "first_token": 60.0}), simulator=simulator) as daemon:

        async def client(number):
            client = daemon.connect()
            await anyio.sleep(dice.uniform(0, 120))
            for _ in range(dice.randint(1, 2)):
                text = dice.choice([CODE, WHY, "hi"]) + f" [simulate tokens {dice.randint(1, 80)}] {number}"
                if dice.random() < 0.08:
                    how = ["crash", "stall", "load_failure", "out_of_memory", "runner_dies_before", "queue_full"]
                    simulator.fail(dice.choice(how), dice.choice([QWEN, DEEPSEEK, LLAMA8]), after=1)
                chat = await client.chat(text, model=dice.choice([None, QWEN, DEEPSEEK, LLAMA8]),
                                        priority=dice.choice(wire.PRIORITIES))  # fmt: skip
                if dice.random() < 0.15:
                    await anyio.sleep(dice.uniform(0, 40))
                    if dice.random() < 0.5:
                        await client.leave()
                        ended.append("left")
                        return
                    await client.answer(wire.Cancel(id=0, target=chat))
                ended.append(await client.end(chat))
                assert sum(name in client.text(chat) for name in (QWEN, DEEPSEEK, LLAMA8)) <= 1

        async with anyio.create_task_group() as clients:
            for number in range(50):
                clients.start_soon(client, number)
        assert simulator.journal.most_heavy == 1
        assert simulator.violations == []
        await anyio.sleep(10)
        assert daemon.is_quiet()
        assert len(ended) >= 50
        codes = {each.code for each in ended if isinstance(each, wire.Error)}
        assert codes <= {"cancelled", "backend_error", "stalled", "load_failed", "out_of_memory", "queue_full"}
        assert sum(isinstance(each, wire.Done) for each in ended) > 25
