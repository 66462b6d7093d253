"""One slow timer wakes all who wait."""

import anyio
import pytest

from innkeepd.policy.scheduling.events import Ticket
from innkeepd.policy.scheduling.queue import Queue
from innkeepd.residency.ticker import BATCH, CROWD, HURRY, TICK, Ticker
from support.daemon import mock_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


class Waiting:
    """A ticker, so many waiters, and who was woken."""

    def __init__(self, many: int) -> None:
        self.queue = Queue(90, 600)
        self.woken: list[str] = []
        self.ticker = Ticker(self.queue, anyio.current_time, self.woken.append)
        for number in range(many):
            self.queue.join(Ticket(f"t{number}", ("a",)), 0.0)

    async def woken_within(self, seconds: float) -> int:
        before = len(self.woken)
        with anyio.move_on_after(seconds):
            await self.ticker.run()
        return len(self.woken) - before


async def test_a_change_wakes_a_few_waiters_at_once_and_the_next_ones_at_most_each_tick():
    waiting = Waiting(3)
    for _ in range(100):
        waiting.ticker.changed(memory=False)
    assert waiting.woken == ["t0", "t1", "t2"]
    assert await waiting.woken_within(TICK * 1.5) == 3, "the changes since then, together"


async def test_a_change_of_memory_wakes_a_few_waiters_each_time():
    waiting = Waiting(3)
    for _ in range(3):
        waiting.ticker.changed(memory=True)
    assert len(waiting.woken) == 9


async def test_a_few_waiters_are_woken_each_second_though_nothing_changes():
    waiting = Waiting(3)
    waiting.ticker.changed(memory=False)
    assert 9 * 3 <= await waiting.woken_within(10.1) <= 10 * 3 + 3


async def test_a_crowd_is_woken_in_turn_however_often_something_changes():
    waiting = Waiting(CROWD * 4)
    for _ in range(100):
        waiting.ticker.changed(memory=False)
    assert waiting.woken == []
    assert await waiting.woken_within(TICK * 1.5) == BATCH
    assert await waiting.woken_within(TICK * 4.5) <= 4 * BATCH
    assert set(waiting.woken) == {waiter.ticket.id for waiter in waiting.queue}


async def test_a_change_of_memory_is_brought_to_a_whole_crowd_soon_and_in_batches():
    waiting = Waiting(CROWD * 4)
    waiting.ticker.changed(memory=True)
    assert await waiting.woken_within(HURRY * 3.5) == CROWD * 4
    assert await waiting.woken_within(TICK * 1.5) == BATCH, "then at the usual rate"


async def test_nobody_waits_so_nothing_ticks():
    waiting = Waiting(0)
    waiting.ticker.changed(memory=True)
    assert await waiting.woken_within(100.0) == 0
    assert anyio.current_time() > 0
    assert repr(waiting.ticker) == "<Ticker of 0 waiters, 0 left in this round>"
