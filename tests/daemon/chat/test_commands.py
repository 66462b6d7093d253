"""Load, unload and names are the same at both doors."""

import pytest

from innkeepd.chat.commands import ModelCommands
from innkeepd.chat.types import RequestFailed
from support.house import LLAMA8, mock_clock, open_house

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_a_name_is_looked_up_once_more_before_it_is_refused():
    async with open_house() as house:
        commands = ModelCommands(house.rooms.journey)
        assert (await commands.find("llama3.1:8b")).name == LLAMA8
        with pytest.raises(RequestFailed) as failed:
            await commands.find("nobody:1b")
        assert failed.value.code == "unknown_model"


async def test_an_unload_proves_that_the_model_is_gone():
    async with open_house() as house:
        await house.connect().told("hi", model=LLAMA8)
        commands = ModelCommands(house.rooms.journey)
        assert await commands.unload(LLAMA8) == LLAMA8
        assert house.simulator.resident == []
        assert await commands.unload(None) is None


async def test_an_unload_fails_alike_where_ollama_is_away():
    async with open_house() as house:
        await house.connect().told("hi", model=LLAMA8)
        house.simulator.fail("refuse")
        with pytest.raises(RequestFailed) as failed:
            await ModelCommands(house.rooms.journey).unload(LLAMA8)
        assert failed.value.code == "backend_unreachable"
