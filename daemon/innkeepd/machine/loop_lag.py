"""How long the event loop is held: the time between two looks at its sockets, in which nobody else is served.

The selector itself takes the time, so that nothing has to wake up for it: two readings of the clock a turn, 0.3 us. A C
call of another thread that keeps the interpreter's lock is seen only where the loop was at work itself.
"""

import asyncio
import selectors
from bisect import bisect_left
from time import perf_counter

from innkeep.wire import LoopLag
from innkeepd.machine.event_loop import asyncio_loop

WINDOW = 60.0
"""Seconds of a window; what is told comes from this one and the one before."""
BOUNDS = tuple(0.0001 * 1.25**step for step in range(64))
"""Upper bounds of the histogram's buckets, seconds: 0.1 ms to 2 min."""


class LagMeter:
    """A histogram of the last one or two windows."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._before = list(self._counts)
        self._longest = self._longest_before = 0.0
        self._began = float("-inf")

    def note(self, held: float, now: float) -> None:
        """Take one turn of the loop that ended at ``now``, both in seconds."""
        if now - self._began >= WINDOW:
            is_fresh = now - self._began < 2 * WINDOW
            self._before = self._counts if is_fresh else [0] * len(self._counts)
            self._longest_before = self._longest if is_fresh else 0.0
            self._counts, self._longest, self._began = [0] * len(self._counts), 0.0, now
        self._counts[bisect_left(BOUNDS, held)] += 1
        self._longest = max(self._longest, held)

    def read(self) -> LoopLag:
        """What was measured; the 99th percentile to the next bound of a bucket, 25 % at most above the true one."""
        counts = [one + other for one, other in zip(self._counts, self._before, strict=True)]
        longest = max(self._longest, self._longest_before)
        left = sum(counts) * 0.99
        for bound, count in zip(BOUNDS, counts, strict=False):
            left -= count
            if left <= 0:
                return LoopLag(min(bound, longest), longest)
        return LoopLag(longest, longest)


class _MeteredSelector(selectors.DefaultSelector):
    def __init__(self, meter: LagMeter) -> None:
        super().__init__()
        self._meter = meter
        self._since: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        now = perf_counter()
        if self._since is not None:
            self._meter.note(now - self._since, now)
        found = super().select(timeout)
        self._since = perf_counter()
        return found


class MeteredLoop(asyncio.SelectorEventLoop):
    """An event loop that knows how long it is held; ``anyio.run`` takes it as ``loop_factory``."""

    def __init__(self) -> None:
        self.meter = LagMeter()
        super().__init__(_MeteredSelector(self.meter))


def loop_lag() -> LoopLag | None:
    """How long the loop that runs this was held; None where it is not metered (tests on trio)."""
    loop = asyncio_loop()
    return loop.meter.read() if isinstance(loop, MeteredLoop) else None
