"""The verbs' corners; ``tests/flow/test_verbs.py`` uses every one of them through a whole daemon."""

from typing import get_args

import anyio
import pytest

from innkeep import wire
from innkeepd.outbound.backend import BackendFault
from support.house import LLAMA8, mock_clock, open_house

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_every_request_of_the_protocol_has_its_verb():
    async with open_house() as house:
        assert set(house.rooms.verbs()) == set(get_args(wire.Request))


async def test_a_backends_fault_in_a_verb_is_told_with_its_code(monkeypatch):
    async with open_house() as house:
        guest = house.connect()

        async def fails(_leaving):
            raise BackendFault("load_failed", "it stays")

        monkeypatch.setattr(house.keeper, "take_out", fails)
        error = await guest.answer(wire.Unload(id=0, model=LLAMA8))
        assert (error.code, error.message) == ("load_failed", "it stays")


async def test_a_name_cannot_be_judged_while_ollama_is_away():
    async with open_house() as house:
        house.simulator.stop()
        guest = house.connect()
        for request in (wire.Pin(id=0, model="x"), wire.Select(id=0, model="x"), wire.Unload(id=0, model="x")):
            error = await guest.answer(request)
            assert error.code == "backend_unreachable"
        assert isinstance(await guest.answer(wire.Unpin(id=0, model="x")), wire.Unpinned)


async def test_nothing_in_memory_is_loaded_or_unloaded_on_the_word_of_an_ollama_that_went_away():
    async with open_house() as house:
        guest = house.connect()
        assert isinstance(await guest.answer(wire.Load(id=0, model=LLAMA8)), wire.Loaded)
        await anyio.sleep(1)
        house.simulator.stop()
        began = anyio.current_time()
        for request in (wire.Load(id=0, model=LLAMA8), wire.Unload(id=0, model=LLAMA8), wire.Unload(id=0, all=True)):
            assert (await guest.answer(request)).code == "backend_unreachable"
        assert anyio.current_time() - began < 10


async def test_a_route_by_messages_looks_at_the_users_turns():
    async with open_house() as house:
        said = [wire.Message("assistant", "debug this function"), wire.Message("user", "good morning")]
        assert (await house.connect().answer(wire.RouteAsk(id=0, messages=said))).role == "general"


async def test_unloading_everything_names_no_model():
    async with open_house() as house:
        guest = house.connect()
        await guest.told("hi", model=LLAMA8)
        unloaded = await guest.answer(wire.Unload(id=0, all=True))
        assert unloaded.model is None
        assert house.simulator.resident == []
