import anyio
import pytest

from innkeepd.machine.event_loop import asyncio_loop
from innkeepd.machine.sleep import Instant, SleepWatch
from innkeepd.residency.clock import Clock, ticks

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_the_clock_is_anyios_on_every_event_loop(anyio_backend_name):
    clock = ticks()
    before, now, after = anyio.current_time(), clock(), anyio.current_time()
    assert before <= now <= after
    assert (asyncio_loop() is None) == (anyio_backend_name == "trio")


async def test_the_clock_goes_on_while_the_machine_sleeps():
    clock = Clock(SleepWatch(iter([Instant(0, 0), Instant(1, 1), Instant(501, 1)]).__next__))
    before, wall = clock.now(), clock.wall(0.0)
    assert (clock.catch_up(), clock.catch_up()) == (0.0, 500.0)
    assert clock.now() - before == pytest.approx(500.0, abs=1.0)
    assert wall - clock.wall(0.0) == pytest.approx(500.0, abs=1.0)
    assert Clock().catch_up() == 0.0
    assert "500 s of them asleep" in repr(clock)
