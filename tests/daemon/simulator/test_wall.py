import math
import re

import anyio
import pytest

from innkeepd.simulator.wall import LoopClock, Wall


@pytest.mark.anyio
async def test_the_loops_clock_is_followed():
    clock = LoopClock()
    before = clock()
    await anyio.sleep(60)
    assert clock() - before == 60


def test_without_a_loop_the_last_time_is_kept():
    clock = LoopClock()

    async def look():
        return clock()

    seen = anyio.run(look)
    assert clock() == clock() == seen


def test_dates_move_with_the_clock():
    clock = [5.0]
    wall = Wall(lambda: clock[0])
    first = wall.epoch()
    clock[0] = 65.0
    assert wall.epoch() - first == 60.0
    assert wall.epoch(5.0) == first
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", wall.stamp())


def test_for_ever_is_two_hundred_and_ninety_two_years():
    wall = Wall(lambda: 0.0)
    assert int(wall.stamp(math.inf)[:4]) - int(wall.stamp()[:4]) in (291, 292)
