"""The verbs' corners; ``tests/flow/test_verbs.py`` uses every one of them through a whole daemon."""

from typing import get_args

import anyio
import pytest

from innkeep import wire
from innkeep.framing import encode
from innkeepd.backends.backend import BackendFault
from innkeepd.chat.types import RequestFailed
from innkeepd.server.socket import admin_verbs
from innkeepd.server.socket.admin_verbs import MOST_UNSENT
from support.daemon import LLAMA8, mock_clock, open_daemon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_every_request_of_the_protocol_has_its_verb():
    async with open_daemon() as daemon:
        assert set(daemon.app.verbs()) == set(get_args(wire.Request))


async def test_a_backends_fault_in_a_verb_is_told_with_its_code(monkeypatch):
    async with open_daemon() as daemon:
        client = daemon.connect()

        async def fails(_leaving):
            raise BackendFault("load_failed", "it stays")

        monkeypatch.setattr(daemon.control, "unload", fails)
        error = await client.answer(wire.Unload(id=0, model=LLAMA8))
        assert (error.code, error.message) == ("load_failed", "it stays")


async def test_a_name_cannot_be_judged_while_ollama_is_away():
    async with open_daemon() as daemon:
        daemon.simulator.stop()
        client = daemon.connect()
        for request in (wire.Pin(id=0, model="x"), wire.Select(id=0, model="x"), wire.Unload(id=0, model="x")):
            error = await client.answer(request)
            assert error.code == "backend_unreachable"
        assert isinstance(await client.answer(wire.Unpin(id=0, model="x")), wire.Unpinned)


async def test_nothing_in_memory_is_loaded_or_unloaded_on_the_word_of_an_ollama_that_went_away():
    async with open_daemon() as daemon:
        client = daemon.connect()
        assert isinstance(await client.answer(wire.Load(id=0, model=LLAMA8)), wire.Loaded)
        await anyio.sleep(1)
        daemon.simulator.stop()
        began = anyio.current_time()
        for request in (wire.Load(id=0, model=LLAMA8), wire.Unload(id=0, model=LLAMA8), wire.Unload(id=0, all=True)):
            assert (await client.answer(request)).code == "backend_unreachable"
        assert anyio.current_time() - began < 10


async def test_a_route_by_messages_looks_at_the_users_turns():
    async with open_daemon() as daemon:
        said = [wire.Message("assistant", "debug this function"), wire.Message("user", "good morning")]
        assert (await daemon.connect().answer(wire.RouteAsk(id=0, messages=said))).role == "general"


async def test_unloading_everything_names_no_model():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        unloaded = await client.answer(wire.Unload(id=0, all=True))
        assert unloaded.model is None
        assert daemon.simulator.resident == []


class _Unread:
    """A session whose peer reads nothing."""

    def __init__(self):
        self.told, self.client, self.looking_up = [], "", anyio.Lock()
        self.has_room = anyio.Event()

    def send(self, reply, *, soon=True):
        self.told.append(reply)

    @property
    def unsent(self):
        return sum(len(encode(reply, "lines")) for reply in self.told)

    async def room(self):
        await self.has_room.wait()


async def test_a_watcher_that_leaves_4_mb_unread_hears_no_more():
    async with open_daemon() as daemon, anyio.create_task_group() as tasks:
        session, ended = _Unread(), []

        async def watch():
            with pytest.raises(RequestFailed, match="left unread") as caught:
                await daemon.app.verbs()[wire.Watch](session, wire.Watch(id=1))
            ended.append(caught.value.code)

        tasks.start_soon(watch)
        await anyio.sleep(1)
        before = len(daemon.control.on_event)
        for _ in range(200):
            daemon.control.tell("log", "x" * 50_000, {})
        assert MOST_UNSENT < session.unsent < MOST_UNSENT + 100_000
        await anyio.sleep(1)
        assert ended == ["queue_full"]
        assert len(daemon.control.on_event) == before - 1


async def test_history_is_looked_up_once_there_is_room_one_at_a_time_and_bounded():
    async with open_daemon() as daemon, anyio.create_task_group() as tasks:
        session, limits = _Unread(), []

        async def recent(limit):
            limits.append(limit)
            return []

        daemon.app.state.recent = recent
        for number in range(5):
            tasks.start_soon(daemon.app.verbs()[wire.HistoryAsk], session, wire.HistoryAsk(id=number, limit=2**63))
        await anyio.sleep(1)
        assert limits == []
        session.has_room.set()
        await anyio.sleep(1)
        assert limits == [1000] * 5


async def test_one_watcher_too_many_is_refused_until_another_ends(monkeypatch):
    monkeypatch.setattr(admin_verbs, "WATCHERS", 1)
    async with open_daemon() as daemon:
        client = daemon.connect()
        first = await client.ask(wire.Watch(id=0))
        await client.until(first, wire.Status)
        refused = await client.answer(wire.Watch(id=0))
        assert (refused.code, refused.retryable) == ("queue_full", True)
        await client.cancel(first)
        await client.until(await client.ask(wire.Watch(id=0)), wire.Status)
