"""Noticing that the machine has slept.

Timers run on a clock that stands still in sleep, the world does not: after a night, an answer's client is long gone
and a pin's reason too. So two clocks are compared, one that goes on in sleep and one that does not; what one is ahead
by was slept.

macOS's names are the reverse of Linux's: its CLOCK_MONOTONIC_RAW goes on in sleep and CLOCK_UPTIME_RAW stops, while
on Linux CLOCK_BOOTTIME goes on and CLOCK_MONOTONIC stops. ``time.monotonic`` is the stopping one on both, but may not
stay so on macOS.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

JUMP = 5.0
"""Seconds: less than this is a busy machine or a corrected wall clock, not sleep."""


class Instant(NamedTuple):
    """Seconds on a clock that goes on in sleep (``wall``) and on one that stands still (``mono``)."""

    wall: float
    mono: float


def slept(now: Instant, last: Instant, jump: float = JUMP) -> float:
    """Seconds slept between two instants, 0 for none; a wall clock that was set back is not sleep."""
    ahead = (now.wall - last.wall) - (now.mono - last.mono)
    return ahead if ahead >= jump else 0.0


def this_instant() -> Instant:
    """Now, by the best two clocks that this system has."""
    return Instant(_read("CLOCK_BOOTTIME", _continuous), _read("CLOCK_UPTIME_RAW", time.monotonic))


def _continuous() -> float:
    """Only macOS has both clocks, and there this one goes on in sleep."""
    return _read("CLOCK_MONOTONIC_RAW", time.time) if hasattr(time, "CLOCK_UPTIME_RAW") else time.time()


def _read(name: str, otherwise: Callable[[], float]) -> float:
    clock = getattr(time, name, None)
    return otherwise() if clock is None else time.clock_gettime(clock)


class SleepWatch:
    """Asked now and then, tells how long the machine slept since it was last asked."""

    def __init__(self, instant: Callable[[], Instant] = this_instant) -> None:
        self._instant = instant
        self._last = instant()

    def slept(self) -> float:
        """Seconds slept since the last call (or the making), 0 for none."""
        now, last = self._instant(), self._last
        self._last = now
        return slept(now, last)
