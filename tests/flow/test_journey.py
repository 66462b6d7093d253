"""A chat's way through the whole daemon, where nothing goes wrong."""

import anyio
import pytest

from innkeep import wire
from innkeepd.chat.dispatch import Dispatcher
from innkeepd.policy.scheduling import events as ev
from innkeepd.residency.ticker import BATCH, CROWD, TICK
from innkeepd.simulator.engine import Simulator
from support.daemon import DEEPSEEK, LLAMA8, LLAMA70, QWEN, config, open_daemon

pytestmark = pytest.mark.anyio


async def test_a_coding_question_loads_the_coder_and_streams_its_answer():
    async with open_daemon() as daemon:
        client = daemon.connect()
        number = await client.chat("debug this function please")
        done = await client.end(number)
        assert isinstance(done, wire.Done), done
        assert (done.model, done.role) == (QWEN, "coding")
        assert client.text(number).startswith(f"(A simulated answer of {QWEN}.)")
        assert client.kinds(number)[:1] == ["Routed"]
        assert client.kinds(number)[-3:] == ["Started", "Delta", "Done"]
        assert "Loading" in client.kinds(number)
        assert daemon.is_quiet()
        assert [record["outcome"] for record in daemon.records] == ["answered"]


async def test_the_other_role_swaps_and_never_do_two_heavy_ones_stand_together():
    async with open_daemon() as daemon:
        client = daemon.connect()
        for text in ("debug this function", "why is the sky blue", "fix the bug in my code"):
            assert isinstance(await client.chat_to_end(text), wire.Done)
        assert daemon.loads() == [QWEN, DEEPSEEK, QWEN]
        assert daemon.simulator.journal.most_heavy == 1
        assert daemon.simulator.violations == []


async def test_general_passes_the_70b_over_without_asking_ollama_for_it():
    async with open_daemon() as daemon:
        client = daemon.connect()
        done = await client.chat_to_end("hello there")
        assert done.model == LLAMA8
        assert [(each.model, each.outcome, each.code) for each in done.attempts] == [
            (LLAMA70, "passed_over", "never_fits"),
            (LLAMA8, "answered", None),
        ]
        assert daemon.asked("/api/generate", LLAMA70) == []
        assert daemon.asked("/api/chat", LLAMA70) == []


async def test_a_whole_answer_comes_at_once_where_it_is_not_streamed():
    async with open_daemon() as daemon:
        client = daemon.connect()
        number = await client.chat("왜 하늘은 파란가?", stream=False)
        done = await client.end(number)
        assert done.model == DEEPSEEK
        assert "시뮬레이션" in done.text
        assert done.thinking
        assert client.text(number) == ""


async def test_who_waits_is_told_the_place_in_line_and_the_load():
    async with open_daemon(config(schedule={"gate": 1})) as daemon:
        first, second = daemon.connect(), daemon.connect()
        one = await first.chat("debug this function")
        await first.until(one, wire.Started)
        two = await second.chat("why is the sky blue")
        waiting = await second.until(two, wire.Waiting)
        assert (waiting.model, waiting.position, waiting.resident) == (DEEPSEEK, 1, [QWEN])
        assert f"{QWEN} is answering" in waiting.reason
        loading = await second.until(two, wire.Loading)
        assert (loading.model, loading.unloading) == (DEEPSEEK, [QWEN])
        assert isinstance(await second.end(two), wire.Done)


async def test_an_idle_model_leaves_after_five_minutes():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("debug this function")
        await anyio.sleep(290)
        assert daemon.simulator.resident == [QWEN]
        await anyio.sleep(20)
        assert daemon.simulator.resident == []


async def test_a_crowd_is_told_now_and_then_and_everybody_is_served(monkeypatch):
    looks = []
    seen = Dispatcher.outlook
    monkeypatch.setattr(Dispatcher, "outlook", lambda self, place: looks.append(place) or seen(self, place))
    async with open_daemon(simulator=Simulator(speed=20.0)) as daemon:
        client = daemon.connect()
        async with anyio.create_task_group() as tasks:
            ended = []

            async def ask(number):
                ended.append(await client.chat_to_end(f"hello {number}", model=LLAMA8))

            for number in range(CROWD * 4):
                tasks.start_soon(ask, number)
        assert all(isinstance(reply, wire.Done) for reply in ended)
        assert len(ended) == CROWD * 4
        assert len(looks) < len(ended) ** 2 / 4  # a look of each at every grant would be half of the square


async def test_in_a_crowd_a_change_wakes_whom_it_concerns_and_everybody_reports_in_turn(monkeypatch):
    async with open_daemon(config(schedule={"queue_limit": 1000})) as daemon:
        client = daemon.connect(room=2**24)
        first = await client.chat("hi [simulate tokens 4000]", model=LLAMA8)
        await client.until(first, wire.Delta)
        numbers = [await client.chat(model=LLAMA8) for _ in range(CROWD * 4)]
        await anyio.sleep(2)
        looks, seen = [], Dispatcher.outlook
        monkeypatch.setattr(Dispatcher, "outlook", lambda self, place: looks.append(place) or seen(self, place))
        woken = [place for place in daemon.control.handles() if place.settled is None]
        news = [place._news for place in woken]
        for _ in range(50):
            daemon.control.post(ev.Woke())
        assert [place._news for place in woken] == news
        await anyio.sleep(10)
        assert set(woken) <= set(looks), "everybody's turn came"
        assert len(looks) <= 10 / TICK * BATCH, "at a bounded rate"
        last = [[each for each in client.heard[n] if isinstance(each, wire.Waiting)][-1].position for n in numbers]
        assert sorted(last) == list(range(1, CROWD * 4 + 1)), "in whatever order the event loop took them"
