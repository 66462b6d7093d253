"""What readers are told of the house."""

import anyio
import pytest

from innkeep import wire
from innkeepd.simulator.engine import Simulator
from support.house import LLAMA8, LLAMA70, QWEN, config, mock_clock, open_house

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_a_model_leaves_by_our_idle_time_or_by_ollamas_whichever_is_earlier(monkeypatch):
    for idle, least, most in ((300.0, 200, 300), (None, 1000, 1800)):
        async with open_house(config(residency={"idle_unload": idle})) as house:
            monkeypatch.setattr("innkeepd.keeper.epoch", house.simulator.wall.epoch)
            guest = house.connect()
            await guest.told("debug this function")
            await anyio.sleep(5)
            resident = (await guest.status()).resident[0]
            assert resident.name == QWEN
            assert least < resident.expires - house.simulator.wall.epoch() <= most


async def test_while_it_works_a_model_does_not_leave():
    async with open_house() as house:
        guest = house.connect()
        number = await guest.chat("debug this function")
        await guest.until(number, wire.Started)
        resident = (await guest.status()).resident[0]
        assert (resident.leases, resident.expires) == (1, None)
        await guest.end(number)


async def test_while_ollama_is_away_nobody_says_that_a_model_is_not_pulled():
    simulator = Simulator()
    simulator.stop()
    async with open_house(simulator=simulator) as house:
        guest = house.connect()
        found = {one.name: one for one in (await guest.answer(wire.ModelsAsk(id=0))).models}
        assert set(found) >= {QWEN, LLAMA8, LLAMA70}
        assert found[QWEN].reason.startswith("can't be told: Ollama does not answer: ")
