"""Time, as an argument: the service's verbs wait for launchd, and their tests don't."""

import time
from collections.abc import Callable, Iterator
from typing import Protocol


class Clock(Protocol):
    """Seconds that pass, and waiting for them."""

    def now(self) -> float:
        """Seconds since some instant; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The real one."""

    def now(self) -> float:
        """Seconds of ``time.monotonic``."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def back_off(first: float = 0.2, most: float = 2.0) -> Iterator[float]:
    """Growing waits in seconds, doubling, for ever."""
    wait = first
    while True:
        yield wait
        wait = min(wait * 2, most)


def until(clock: Clock, limit: float, happened: Callable[[], bool]) -> bool:
    """Ask ``happened`` at once and then with growing waits, for at most ``limit`` seconds; whether it did."""
    deadline = clock.now() + limit
    for wait in back_off():
        if happened():
            return True
        if clock.now() >= deadline:
            return False
        clock.sleep(wait)
    return False  # pragma: no cover - back_off never ends
