import anyio
import pytest

from innkeep import wire
from innkeepd.config.schema import BackendConfig, RoleConfig
from innkeepd.residency import snapshot
from innkeepd.simulator.catalog import SHELF
from innkeepd.simulator.engine import Simulator
from support.daemon import DEEPSEEK, LLAMA8, LLAMA70, QWEN, config, mock_clock, open_daemon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


def status(daemon):
    return snapshot.status(daemon.control, request=1, simulated=True, selected=None, uptime=1.0, warnings=[])


def states(daemon):
    return {each.name: each for each in snapshot.models(daemon.control, daemon.app.config)}


async def test_before_anything_is_known_a_status_can_be_told():
    async with open_daemon() as daemon:
        found = status(daemon)
        assert (found.memory.source, found.resident, found.backend.reachable) == (
            "not read yet",
            [],
            False,
        )
        assert {each.fit for each in states(daemon).values()} == {"missing"}


async def test_reading_changes_nothing():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        before = repr(daemon.control.scheduler)
        for _ in range(3):
            status(daemon)
            states(daemon)
        assert repr(daemon.control.scheduler) == before


async def test_the_fit_of_every_model_is_judged_now():
    async with open_daemon() as daemon:
        await daemon.connect().chat_to_end("debug this function")
        found = states(daemon)
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
    async with open_daemon(far, simulator=Simulator(models=SHELF)) as daemon:
        await anyio.sleep(1)
        remote = states(daemon)["far/big"]
        assert (remote.fit, remote.footprint) == ("fits", 0)


async def test_a_swap_is_told_while_it_goes_on():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("debug this function")
        number = await client.chat("why is the sky blue")
        await client.until(number, wire.Loading)
        found = status(daemon)
        assert [(each.model, each.what) for each in found.changing] == [(QWEN, "unloading")]
        await client.until(number, wire.Loading, 4)
        found = status(daemon)
        assert [(each.model, each.what) for each in found.changing] == [(DEEPSEEK, "loading")]
        assert found.changing[0].elapsed > 0
        assert found.waiting[0].model == DEEPSEEK


async def test_what_a_pinned_model_keeps_out_is_told_as_a_load_of_it_would_end():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("debug this function")
        daemon.control.pin(QWEN)
        found = states(daemon)[DEEPSEEK]
        assert (found.fit, f"pinned {QWEN}" in found.reason) == ("never", True)
        refused = await client.answer(wire.Load(id=0, model=DEEPSEEK))
        assert (refused.code, found.reason in refused.message) == ("never_fits", True)
