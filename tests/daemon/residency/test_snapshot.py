import anyio
import pytest

from innkeep import wire
from innkeepd.config.schema import BackendConfig, RoleConfig
from innkeepd.residency import snapshot
from innkeepd.simulator.catalog import SHELF
from innkeepd.simulator.engine import Simulator
from support.house import DEEPSEEK, LLAMA8, LLAMA70, QWEN, config, mock_clock, open_house

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


def status(house):
    return snapshot.status(house.keeper, request=1, simulated=True, selected=None, uptime=1.0, warnings=[])


def states(house):
    return {each.name: each for each in snapshot.models(house.keeper, house.rooms.config)}


async def test_before_anything_is_known_a_status_can_be_told():
    async with open_house() as house:
        found = status(house)
        assert (found.memory.source, found.resident, found.backend.reachable) == (
            "not read yet",
            [],
            False,
        )
        assert {each.fit for each in states(house).values()} == {"missing"}


async def test_reading_changes_nothing():
    async with open_house() as house:
        guest = house.connect()
        await guest.told("hi", model=LLAMA8)
        before = repr(house.keeper.scheduler)
        for _ in range(3):
            status(house)
            states(house)
        assert repr(house.keeper.scheduler) == before


async def test_the_fit_of_every_model_is_judged_now():
    async with open_house() as house:
        await house.connect().told("debug this function")
        found = states(house)
        assert {name: each.fit for name, each in found.items()} == {
            QWEN: "resident", DEEPSEEK: "after_eviction", LLAMA70: "never", LLAMA8: found[LLAMA8].fit,
        }  # fmt: skip
        assert found[LLAMA8].fit in {"tight", "after_eviction"}
        assert found[QWEN].roles == ["coding", "reasoning"]
        assert (found[QWEN].weight, found[LLAMA8].weight) == ("heavy", "light")


async def test_a_model_that_lives_elsewhere_takes_nothing_here():
    far = config(
        backends=(BackendConfig(name="far", url="http://127.0.0.1:1"),),
        roles={"coding": RoleConfig(primary="far/big", fallbacks=(LLAMA8,)), **{
            role: RoleConfig(primary=LLAMA8) for role in ("reasoning", "general")
        }},
    )  # fmt: skip
    async with open_house(far, simulator=Simulator(models=SHELF)) as house:
        await anyio.sleep(1)
        remote = states(house)["far/big"]
        assert (remote.fit, remote.footprint) == ("fits", 0)


async def test_a_swap_is_told_while_it_goes_on():
    async with open_house() as house:
        guest = house.connect()
        await guest.told("debug this function")
        number = await guest.chat("why is the sky blue")
        await guest.until(number, wire.Loading)
        found = status(house)
        assert [(each.model, each.what) for each in found.changing] == [(QWEN, "unloading")]
        await guest.until(number, wire.Loading, 4)
        found = status(house)
        assert [(each.model, each.what) for each in found.changing] == [(DEEPSEEK, "loading")]
        assert found.changing[0].elapsed > 0
        assert found.waiting[0].model == DEEPSEEK


async def test_what_a_pinned_model_keeps_out_is_told_as_a_load_of_it_would_end():
    async with open_house() as house:
        guest = house.connect()
        await guest.told("debug this function")
        house.keeper.pin(QWEN)
        found = states(house)[DEEPSEEK]
        assert (found.fit, f"pinned {QWEN}" in found.reason) == ("never", True)
        refused = await guest.answer(wire.Load(id=0, model=DEEPSEEK))
        assert (refused.code, found.reason in refused.message) == ("never_fits", True)
