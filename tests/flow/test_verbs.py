"""The verbs that look and change, the records that are left, and the daemon's end."""

from itertools import pairwise

import anyio
import pytest

from innkeep import wire
from innkeepd.config.schema import ModelConfig
from innkeepd.policy.scheduling.events import HoldBegan, PinSet
from innkeepd.policy.scheduling.scheduler import Scheduler
from innkeepd.residency.supervisor import OwnerFault
from innkeepd.simulator.catalog import LIBRARY, SHELF
from innkeepd.simulator.engine import Simulator
from innkeepd.store.records import MemoryHistory
from support.daemon import DEEPSEEK, LLAMA8, LLAMA70, QWEN, config, open_daemon

pytestmark = pytest.mark.anyio
CODE, WHY = "debug this function", "why is the sky blue"


# ---- choosing --------------------------------------------------------------------------------------------------------


async def test_route_tells_where_a_prompt_would_go_and_loads_nothing():
    async with open_daemon() as daemon:
        await anyio.sleep(1)
        client = daemon.connect()
        route = await client.answer(wire.RouteAsk(id=0, text="이 코드의 버그를 찾아줘"))
        assert (route.role, route.model) == ("coding", QWEN)
        assert route.candidates == [QWEN, DEEPSEEK, LLAMA70, LLAMA8]
        general = await client.answer(wire.RouteAsk(id=0, text="good morning"))
        assert (general.role, general.model) == ("general", LLAMA8)
        assert daemon.loads() == []


async def test_select_sends_every_chat_that_names_nothing_and_survives_a_restart():
    records, simulator = MemoryHistory(), Simulator()
    async with open_daemon(records=records, simulator=simulator) as daemon:
        client = daemon.connect()
        assert (await client.answer(wire.Select(id=0, model="llama3.1:8b"))).model == LLAMA8
        assert (await client.chat_to_end(CODE)).model == LLAMA8
        assert (await client.chat_to_end(CODE, role="coding")).model == QWEN
    async with open_daemon(records=records, simulator=simulator) as daemon:
        client = daemon.connect()
        assert (await client.status()).selected == LLAMA8
        assert (await client.chat_to_end(CODE)).model == LLAMA8
        await client.answer(wire.Select(id=0, model=None))
        assert (await client.chat_to_end(CODE)).model == QWEN


async def test_select_for_a_role_is_its_primary_and_survives_a_restart():
    records, simulator = MemoryHistory(), Simulator()
    async with open_daemon(records=records, simulator=simulator) as daemon:
        client = daemon.connect()
        assert (await client.answer(wire.Select(id=0, model=LLAMA8, role="coding"))).role == "coding"
    async with open_daemon(records=records, simulator=simulator) as daemon:
        client = daemon.connect()
        assert (await client.chat_to_end(CODE)).model == LLAMA8
        assert (await client.chat_to_end(WHY)).model == DEEPSEEK
        await client.answer(wire.Select(id=0, model=None, role="coding"))
        assert (await client.chat_to_end(CODE)).model == QWEN


class SlowDisk(MemoryHistory):
    """Writes only when somebody waits for it."""

    def __init__(self):
        super().__init__()
        self.on_disk = {}

    async def written(self):
        await anyio.sleep(1)
        self.on_disk = dict(self._facts)


async def test_a_promise_is_told_once_it_survives_a_kill():
    records = SlowDisk()
    async with open_daemon(records=records) as daemon:
        client = daemon.connect()
        await client.answer(wire.Pin(id=0, model=LLAMA8))
        assert records.on_disk["pins"] == [LLAMA8]
        await client.answer(wire.Select(id=0, model=QWEN))
        assert records.on_disk["selection"]["model"] == QWEN
        await client.answer(wire.Unpin(id=0, model=LLAMA8))
        assert records.on_disk["pins"] == []


class GatedDisk(MemoryHistory):
    """Commits records only once the gate is open."""

    def __init__(self):
        super().__init__()
        self.gate = anyio.Event()
        self.on_disk = []

    async def recorded(self):
        with anyio.CancelScope(shield=True):
            await self.gate.wait()
        self.on_disk = list(self._records)
        return self.degraded is None


async def test_done_is_sent_once_its_record_survives_a_kill():
    records = GatedDisk()
    async with open_daemon(records=records) as daemon:
        client = daemon.connect()
        number = await client.chat(model=LLAMA8)
        await anyio.sleep(300)
        assert client.text(number)
        assert client.kinds(number)[-1] == "Delta"
        assert daemon.is_quiet()  # the model is given to the next meanwhile
        records.gate.set()
        done = await client.end(number)
        assert (type(done), done.warning) == (wire.Done, None)
        assert records.on_disk == [daemon.records[-1]["id"]]


async def test_a_cancel_that_comes_after_the_answer_does_not_end_it_as_cancelled():
    records = GatedDisk()
    async with open_daemon(records=records) as daemon:
        client = daemon.connect()
        number = await client.chat(model=LLAMA8)
        await anyio.sleep(300)
        await client.answer(wire.Cancel(id=0, target=number))
        records.gate.set()
        assert isinstance(await client.end(number), wire.Done)
        assert daemon.records[-1]["outcome"] == "answered"


async def test_a_record_that_is_not_kept_is_reported_with_the_answer():
    records = MemoryHistory()
    async with open_daemon(records=records) as daemon:
        records.degraded = "history: the disk is full"
        done = await daemon.connect().chat_to_end(model=LLAMA8)
        assert done.warning == "the decision record would not survive a restart: history: the disk is full"
        resumed = await daemon.connect().answer(wire.Resume(id=0))
        assert "would not survive a restart: history: the disk is full" in resumed.warning


@pytest.mark.parametrize("asked", [wire.Hold(id=0, seconds=60.0), wire.Pin(id=0, model=LLAMA8)], ids=["hold", "pin"])
async def test_what_faults_the_supervisor_is_not_kept_to_fault_the_next_daemon_too(monkeypatch, asked):
    step = Scheduler.step

    def broken(self, event, now):
        if isinstance(event, (HoldBegan, PinSet)):
            raise ZeroDivisionError
        return step(self, event, now)

    records = MemoryHistory()
    with pytest.raises(OwnerFault):
        async with open_daemon(records=records) as daemon:
            client = daemon.connect()
            await client.status()
            monkeypatch.setattr(Scheduler, "step", broken)
            await client.answer(asked)
    assert (records.get("hold"), records.get("pins")) == (None, None)


async def test_a_hold_is_kept_before_answers_end_and_not_only_once_the_memory_is_free(monkeypatch):
    records = MemoryHistory()
    async with open_daemon(records=records) as daemon:
        client = daemon.connect()
        number = await client.chat(model=QWEN)
        await client.until(number, wire.Started)
        asked = await client.ask(wire.Hold(id=0, seconds=3600.0))
        await anyio.sleep(0.1)
        assert records.get("hold")["until"] is not None
        assert client.heard[asked] == []
        assert isinstance(await client.end(asked), wire.Held)


async def test_selecting_what_is_not_pulled_is_refused():
    async with open_daemon() as daemon:
        assert (await daemon.connect().answer(wire.Select(id=0, model="nobody"))).code == "unknown_model"


async def test_a_session_keeps_its_role_for_a_short_turn():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE, session="s1")
        assert (await client.chat_to_end("and now in Rust", session="s1")).role == "coding"


async def test_a_session_with_another_turn_to_come_holds_its_model_for_a_few_seconds():
    async with open_daemon() as daemon:
        client, other = daemon.connect(), daemon.connect()
        first = await client.chat(CODE, session="s", priority="agent")
        await client.until(first, wire.Delta)
        waits = await other.chat(WHY, priority="agent")
        await client.end(first)
        await anyio.sleep(2)
        assert (await client.chat_to_end(CODE, session="s", priority="agent", last=True)).model == QWEN
        assert (await other.end(waits)).model == DEEPSEEK
        assert daemon.loads() == [QWEN, DEEPSEEK]


async def test_who_has_no_patience_gets_the_smaller_model_that_stands_free():
    async with open_daemon(simulator=Simulator(others=3 * 2**30)) as daemon:
        client, other = daemon.connect(), daemon.connect()
        busy = await other.chat("why [simulate tokens 2000]", model=DEEPSEEK)
        await other.until(busy, wire.Delta)
        await client.chat_to_end("hi", model=LLAMA8)
        began = anyio.current_time()
        done = await client.chat_to_end(CODE, patience=20.0)
        assert done.model == LLAMA8
        assert anyio.current_time() - began < 30
        assert done.attempts[0].code == "patience"


async def test_a_batch_of_requests_waits_for_the_interactive_one():
    async with open_daemon() as daemon:
        client, other = daemon.connect(), daemon.connect()
        batch = [await client.chat(f"{WHY} {each}", priority="batch") for each in range(5)]
        await client.until(batch[0], (wire.Loading, wire.Started))
        await anyio.sleep(30)
        assert isinstance(await other.chat_to_end(CODE), wire.Done)
        ended = [number for number in batch if number not in client.conversation.open]
        assert len(ended) < 5
        for number in batch:
            assert isinstance(await client.end(number), wire.Done)


# ---- embeddings ------------------------------------------------------------------------------------------------------


async def test_embeddings_take_the_same_journey_and_tell_nothing_but_the_end():
    async with open_daemon(simulator=Simulator(models=[*SHELF, *LIBRARY])) as daemon:
        client, other = daemon.connect(), daemon.connect()
        busy = await other.chat(f"{CODE} [simulate tokens 200]")
        await other.until(busy, wire.Delta)
        number = await client.ask(wire.Embed(id=0, model="nomic-embed-text", input=["one", "two"]))
        vectors = await client.end(number)
        assert (vectors.model, len(vectors.embeddings)) == ("nomic-embed-text:latest", 2)
        assert client.kinds(number) == ["Embeddings"]
        record = (await client.answer(wire.HistoryAsk(id=0))).records[0]
        assert (record.kind, record.outcome) == ("embed", "answered")


async def test_an_embedding_of_a_model_that_cannot_is_refused():
    async with open_daemon() as daemon:
        error = await daemon.connect().answer(wire.Embed(id=0, model="nobody", input="x"))
        assert error.code == "unknown_model"


# ---- looking ---------------------------------------------------------------------------------------------------------


async def test_a_watch_hears_every_kind_of_event_until_it_is_cancelled():
    async with open_daemon() as daemon:
        client = daemon.connect()
        heard = len(daemon.control.on_event)
        everything = await client.ask(wire.Watch(id=0))
        residency = await client.ask(wire.Watch(id=0, kinds=["residency"]))
        await client.until(everything, wire.Status)
        await client.chat_to_end(CODE)
        daemon.simulator.machine.pressure_level = 2
        await anyio.sleep(15)
        daemon.simulator.stop()
        await anyio.sleep(15)
        events = [each for each in client.heard[everything] if isinstance(each, wire.Event)]
        assert {event.kind for event in events} == {"residency", "request", "memory", "backend"}
        assert {event.what for event in events} >= {
            "loading",
            "loaded",
            "answered",
            "pressure is warning",
            "unreachable",
        }
        assert {each.kind for each in client.heard[residency][1:]} == {"residency"}
        assert (await client.cancel(everything)).found
        assert len(daemon.control.on_event) == heard + 1


async def test_status_tells_who_stands_who_changes_and_who_waits():
    async with open_daemon() as daemon:
        client, other = daemon.connect(), daemon.connect()
        one = await client.chat(f"{CODE} [simulate tokens 300]")
        await client.until(one, wire.Loading)
        changing = (await other.status()).changing
        assert [(each.model, each.what) for each in changing] == [(QWEN, "loading")]
        await client.until(one, wire.Delta)
        two = await client.chat(WHY, priority="agent")
        await client.until(two, wire.Waiting)
        await anyio.sleep(3)
        status = await other.status()
        assert [(each.name, each.weight, each.leases, each.owned) for each in status.resident] == [
            (QWEN, "heavy", 1, True)
        ]
        assert [(each.model, each.priority) for each in status.waiting] == [(DEEPSEEK, "agent")]
        assert status.waiting[0].waited == pytest.approx(status.oldest_wait)
        assert status.backend.simulated
        assert status.counters.loads == 1
        assert status.memory.budget > status.memory.available > 0


async def test_models_tells_the_fit_of_each():
    async with open_daemon(simulator=Simulator(models=[SHELF[0], SHELF[2]])) as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        found = {model.name: model for model in (await client.answer(wire.ModelsAsk(id=0))).models}
        assert {name: model.fit for name, model in found.items()} == {
            QWEN: "resident", LLAMA70: "never", DEEPSEEK: "missing", LLAMA8: "missing",
        }  # fmt: skip
        assert found[QWEN].roles == ["coding", "reasoning"]


async def test_a_record_tells_the_whole_story_of_a_request():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(WHY)
        daemon.simulator.fail("runner_dies_before", QWEN)
        number = await client.chat(CODE, session="s", deadline=500.0)
        done = await client.end(number)
        routed = client.heard[number][0]
        (record,) = (await client.answer(wire.HistoryAsk(id=0, request=routed.request))).records
        assert record.id == routed.request
        assert (record.role, record.model, record.outcome) == ("coding", DEEPSEEK, "answered")
        assert record.chain == [QWEN, DEEPSEEK, LLAMA70, LLAMA8]
        assert [each.model for each in record.attempts] == [QWEN, DEEPSEEK]
        assert record.evicted == [DEEPSEEK, QWEN] or record.evicted[0] == DEEPSEEK
        assert record.timings.swap > 10
        assert record.timings.queued >= record.timings.swap
        assert record.timings.total == pytest.approx(done.timings.total, abs=0.1)
        assert record.completion_tokens == done.usage.completion_tokens > 0
        assert record.session == "s"
        assert daemon.records[-1]["id"] == record.id
        assert (await client.answer(wire.HistoryAsk(id=0, request="last"))).records[0].id == record.id
        assert len((await client.answer(wire.HistoryAsk(id=0, limit=1))).records) == 1


async def test_feedback_is_kept_with_its_request():
    async with open_daemon() as daemon:
        client = daemon.connect()
        number = await client.chat("hi there", model=LLAMA8)
        await client.end(number)
        request = client.heard[number][0].request
        assert (await client.answer(wire.Feedback(id=0, request=request[:5], role="coding"))).request == request
        (record,) = (await client.answer(wire.HistoryAsk(id=0, request=request))).records
        assert record.feedback == "coding"
        refused = await client.answer(wire.Feedback(id=0, request="zzzz", role="coding"))
        assert (refused.code, refused.detail["field"]) == ("bad_request", "request")


async def test_feedback_corrects_the_router_without_a_restart_and_can_be_undone():
    async with open_daemon() as daemon:
        client = daemon.connect()

        async def routed(text: str) -> str:
            return (await client.answer(wire.RouteAsk(id=0, text=text))).role

        texts = [f"the gnomon report of {one}{other}, as usual" for one in "abcde" for other in "uvwxyz"]
        was = await routed(texts[0])
        should = "coding" if was != "coding" else "reasoning"
        for text in texts:
            number = await client.chat(text)
            await client.end(number)
            noted = await client.answer(wire.Feedback(id=0, request=client.heard[number][0].request, role=should))
            assert noted.teaches
        assert (await client.answer(wire.RoutingAsk(id=0))).examples[should] == len(texts)
        trained = await client.answer(wire.RoutingAsk(id=0, action="train"))
        assert trained.changed
        assert trained.in_use
        assert trained.after.loss < trained.before.loss
        assert await routed("the gnomon report of zz, as usual") == should
        assert not (await client.answer(wire.RoutingAsk(id=0, action="train"))).changed
        undone = await client.answer(wire.RoutingAsk(id=0, action="undo"))
        assert undone.changed
        assert not undone.in_use
        assert await routed(texts[0]) == was
        assert not (await client.answer(wire.RoutingAsk(id=0, action="undo"))).changed


# ---- configuration ---------------------------------------------------------------------------------------------------


async def test_a_new_configuration_holds_from_the_next_decision_on():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        new = config(
            residency={"idle_unload": 20.0},
            models={LLAMA8: ModelConfig(context=4096)},
            ollama={"url": "http://127.0.0.1:9"},
        )
        assert daemon.app.reconfigure(new) == ["ollama"]
        await anyio.sleep(22)
        assert daemon.simulator.resident == []
        await client.chat_to_end("hi", model=LLAMA8)
        assert daemon.simulator.loads[-1].context == 4096


# ---- the end ---------------------------------------------------------------------------------------------------------


async def test_a_stop_lets_answers_end_and_refuses_who_waits():
    async with open_daemon() as daemon:
        client = daemon.connect()
        one = await client.chat(CODE)
        await client.until(one, wire.Delta)
        two = await client.chat(WHY)
        await client.until(two, wire.Waiting)
        stopping = await client.answer(wire.Shutdown(id=0))
        assert (stopping.drain, daemon.stopped) == (20.0, [20.0])
        assert (await client.end(two)).code == "shutting_down"
        assert isinstance(await client.end(one), wire.Done)
        assert (await client.chat_to_end("hi")).code == "shutting_down"
        assert daemon.simulator.resident == [QWEN]


async def test_an_answer_that_outlasts_the_drain_is_partial():
    async with open_daemon() as daemon:
        client = daemon.connect()
        one = await client.chat(f"{CODE} [simulate tokens 2000]")
        await client.until(one, wire.Delta)
        await client.answer(wire.Shutdown(id=0, drain=3.0))
        error = await client.end(one)
        assert (error.code, error.retryable, error.detail["partial"]) == ("shutting_down", True, True)
        assert daemon.is_quiet()


# ---- snapshots after changes, and a load that is cancelled -----------------------------------------------------------


async def test_a_watch_that_asks_for_snapshots_gets_one_after_each_change():
    async with open_daemon() as daemon:
        client = daemon.connect()
        watching = await client.ask(wire.Watch(id=0, kinds=["request"], every=1.0))
        await client.until(watching, wire.Status)
        await client.chat_to_end("hello", model=LLAMA8)
        await anyio.sleep(3)
        seen = [each for each in client.heard[watching] if isinstance(each, wire.Status)]
        assert any(each.changing and each.changing[0].what == "loading" for each in seen)
        assert [one.name for one in seen[-1].resident] == [LLAMA8]
        assert seen[-1].memory.promised == seen[-1].memory.real == seen[-1].resident[0].footprint
        assert 0 < (seen[-1].memory.wired or 0) < (seen[-1].memory.used or 0)
        instants = [at for at, each in zip(client.at[watching], client.heard[watching], strict=True) if each in seen]
        assert all(later - sooner >= 1.0 for sooner, later in pairwise(instants))
        await client.cancel(watching)


async def test_a_waiter_in_the_status_says_what_it_waits_for():
    async with open_daemon() as daemon:
        client = daemon.connect()
        first = await client.chat(CODE, role="coding")
        await client.until(first, wire.Delta)
        second = await client.chat(WHY, role="reasoning", fallbacks=None)
        await client.until(second, wire.Waiting)
        (waiter,) = (await client.status()).waiting
        assert f"{QWEN} is answering" in waiter.reason


async def test_a_cancelled_load_ends_at_once_and_its_waiters_go_to_the_next_candidate():
    async with open_daemon() as daemon:
        client, top = daemon.connect(), daemon.connect()
        await top.answer(wire.Hello(id=0, protocol=1, client="innkeep top"))
        chat = await client.chat(CODE, role="coding")
        await client.until(chat, wire.Loading)
        before = anyio.current_time()
        done = await top.answer(wire.Unload(id=0, model=QWEN, cancel_load=True))
        assert (done.model, type(done)) == (QWEN, wire.Unloaded)
        assert anyio.current_time() - before < 3
        ended = await client.end(chat)
        assert ended.model == DEEPSEEK
        (passed, _) = ended.attempts
        assert (passed.outcome, passed.code) == ("passed_over", "cancelled")
        assert passed.message == f"the load of {QWEN} was cancelled by innkeep top"
        assert (await client.chat_to_end(CODE, role="coding")).model == QWEN  # no cooling: the next one may load it


async def test_a_cancelled_load_of_the_only_candidate_refuses_its_waiter_and_nothing_stays():
    async with open_daemon() as daemon:
        client, top = daemon.connect(), daemon.connect()
        chat = await client.chat(CODE, model=QWEN)
        await client.until(chat, wire.Loading)
        await top.answer(wire.Unload(id=0, model=QWEN, cancel_load=True))
        assert (await client.end(chat)).code == "cancelled"
        assert daemon.simulator.resident == []
        refused = await top.answer(wire.Unload(id=0, model=QWEN, cancel_load=True))
        assert (refused.code, refused.message) == ("bad_request", f"{QWEN} is not loading")


# ---- the history of a swap -------------------------------------------------------------------------------------------


async def test_a_record_tells_what_its_swap_consisted_of_and_a_week_sums_it_up():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=QWEN)
        await client.chat_to_end("hi", model=DEEPSEEK)
        await client.chat_to_end("hi", model=DEEPSEEK)
        newest, swapped, first = (await client.answer(wire.HistoryAsk(id=0))).records
        assert [(move.model, move.what) for move in first.moves] == [(QWEN, "loaded")]
        assert [(move.model, move.what) for move in swapped.moves] == [(QWEN, "unloaded"), (DEEPSEEK, "loaded")]
        assert all(move.seconds > 0 for move in swapped.moves)
        assert sum(move.seconds for move in swapped.moves) <= swapped.timings.queued + 0.1
        assert newest.moves == []
        found = await client.answer(wire.HistoryAsk(id=0, model=DEEPSEEK, slower=swapped.timings.total))
        assert [record.id for record in found.records] == [swapped.id]
        stats = await client.answer(wire.StatsAsk(id=0, since=0.0))
        assert (stats.totals.requests, stats.totals.swaps, stats.totals.arrival_swaps) == (3, 1, 1)
        assert stats.totals.swap_seconds > 5
        assert (await client.answer(wire.StatsAsk(id=0))).totals is None
        rows = daemon.app.timeline.since(0.0)
        assert [row[5] > 2**30 for row in rows if row[1] == "loaded"] == [True, True]
