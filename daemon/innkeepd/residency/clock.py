"""Time: the running event loop's clock, looked up once, and the owner's clock, which goes on while the machine sleeps.

What is asked for at every token takes the clock itself (``anyio.current_time`` finds the loop anew each time);
everything else asks anyio.
"""

from collections.abc import Callable
from time import time as epoch

import anyio

from innkeepd.machine.event_loop import asyncio_loop
from innkeepd.machine.sleep import SleepWatch


def ticks() -> Callable[[], float]:
    """A function that gives what ``anyio.current_time`` gives, for as long as this event loop runs; seconds."""
    loop = asyncio_loop()
    return anyio.current_time if loop is None else loop.time


class Clock:
    """Seconds that go on while the machine sleeps: leases, holds and timers are real time."""

    def __init__(self, sleep_watch: SleepWatch | None = None) -> None:
        self.slept = 0.0
        """Seconds that the machine slept since the start, as far as ``catch_up`` has noticed."""
        self._ticks = ticks()
        self._sleep_watch = sleep_watch

    def __repr__(self) -> str:
        return f"<Clock at {self.now():.3f}, {self.slept:g} s of them asleep>"

    def now(self) -> float:
        """This instant."""
        return self._ticks() + self.slept

    def wall(self, at: float) -> float:
        """An instant of this clock as seconds since the epoch."""
        return epoch() + at - self.now()

    def catch_up(self) -> float:
        """Add what the machine slept since the last call; returns it, in seconds."""
        slept = self._sleep_watch.slept() if self._sleep_watch else 0.0
        self.slept += slept
        return slept
