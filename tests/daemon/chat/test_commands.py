"""Load, unload and names are the same at both doors."""

import pytest

from innkeepd.chat.commands import ModelCommands
from innkeepd.chat.types import RequestFailed
from support.daemon import LLAMA8, mock_clock, open_daemon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_a_name_is_looked_up_once_more_before_it_is_refused():
    async with open_daemon() as daemon:
        commands = ModelCommands(daemon.app.dispatcher)
        assert (await commands.find("llama3.1:8b")).name == LLAMA8
        with pytest.raises(RequestFailed) as failed:
            await commands.find("nobody:1b")
        assert failed.value.code == "unknown_model"


async def test_an_unload_proves_that_the_model_is_gone():
    async with open_daemon() as daemon:
        await daemon.connect().chat_to_end("hi", model=LLAMA8)
        commands = ModelCommands(daemon.app.dispatcher)
        assert await commands.unload(LLAMA8) == LLAMA8
        assert daemon.simulator.resident == []
        assert await commands.unload(None) is None


async def test_an_unload_fails_alike_where_ollama_is_away():
    async with open_daemon() as daemon:
        await daemon.connect().chat_to_end("hi", model=LLAMA8)
        daemon.simulator.fail("refuse")
        with pytest.raises(RequestFailed) as failed:
            await ModelCommands(daemon.app.dispatcher).unload(LLAMA8)
        assert failed.value.code == "backend_unreachable"
