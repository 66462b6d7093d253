import anyio
import pytest

from innkeepd.residency.clock import asyncio_loop, ticks

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_the_clock_is_anyios_on_every_event_loop(anyio_backend_name):
    clock = ticks()
    before, now, after = anyio.current_time(), clock(), anyio.current_time()
    assert before <= now <= after
    assert (asyncio_loop() is None) == (anyio_backend_name == "trio")
