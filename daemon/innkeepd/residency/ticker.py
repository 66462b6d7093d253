"""Wakes those who wait, so that they report their position and the expected time: one slow timer for all of them.

A grant or a refusal wakes its own waiter at once, and nobody else. Everything else that a waiter may report (its
position, a load that begins) is woken for here, at a bounded rate: a change of the queue must not cost as much as the
queue is long, and no burst of waiters may hold the event loop.
"""

from collections import deque
from collections.abc import Callable

import anyio

from innkeepd.policy.scheduling.queue import Queue

CROWD = 32
"""So many waiters are all woken at once, by the next change or the next second; more of them in turn, a few a tick."""
TICK = 0.25
"""Seconds between two ticks while somebody waits; also between two times that changes wake everybody."""
BATCH = 50
"""Waiters of a crowd that a tick wakes: 1,000 report every 5 s then, at 60 us each 1.2 % of a core."""
QUIET = 1.0
"""Seconds after which few waiters are woken though nothing changed: a load that goes on is reported each second."""
HURRY = 0.02
"""Seconds between two batches of a crowd after a change of memory, which concerns everybody."""


class Ticker:
    """Wakes waiters by ``wake``, which takes a ticket's id. ``changed`` is called after each step of the scheduler."""

    def __init__(self, queue: Queue, now: Callable[[], float], wake: Callable[[str], None]) -> None:
        self._queue = queue
        self._now = now
        self._wake = wake
        self._has_waiters = anyio.Event()
        self._woken_at = float("-inf")
        self._is_stale = False
        self._is_urgent = False
        self._round: deque[str] = deque()
        """Waiters of a crowd that are still to be woken in this round."""

    def __repr__(self) -> str:
        return f"<Ticker of {len(self._queue)} waiters, {len(self._round)} left in this round>"

    def changed(self, *, memory: bool) -> None:
        """Something changed, in ``memory`` or in the queue only."""
        waiting = len(self._queue)
        if not waiting:
            return
        self._has_waiters.set()
        self._is_stale = True
        if waiting > CROWD:
            if memory:
                self._is_urgent = True
                self._round.clear()
        elif memory or self._now() - self._woken_at >= TICK:
            self._wake_all()

    async def run(self) -> None:
        """Tick while somebody waits, until cancelled."""
        while True:
            if not len(self._queue):
                self._has_waiters = anyio.Event()
                await self._has_waiters.wait()
            await anyio.sleep(HURRY if self._is_urgent and len(self._queue) > CROWD else TICK)
            self._tick()

    def _tick(self) -> None:
        if len(self._queue) > CROWD:
            self._wake_some()
        elif self._is_stale or self._now() - self._woken_at >= QUIET:
            self._wake_all()

    def _wake_all(self) -> None:
        self._woken_at, self._is_stale, self._is_urgent = self._now(), False, False
        self._round.clear()
        for waiter in list(self._queue):
            self._wake(waiter.ticket.id)

    def _wake_some(self) -> None:
        if not self._round:
            self._round.extend(waiter.ticket.id for waiter in self._queue)
        for _ in range(min(BATCH, len(self._round))):
            self._wake(self._round.popleft())
        if not self._round:
            self._is_urgent = False
