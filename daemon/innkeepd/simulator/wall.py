"""The time of day that goes with the event loop's clock, so that a mock clock moves the dates as well."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import anyio

FOR_EVER = 292 * 365 * 86_400.0
"""Seconds that Ollama adds for a keep-alive without end (Go's longest duration)."""


class LoopClock:
    """The event loop's clock; where no loop runs (a thread, the end of a test), the last time that it showed."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self) -> float:
        """Seconds."""
        with suppress(RuntimeError):
            self._last = anyio.current_time()
        return self._last


class Wall:
    """Turns the clock's seconds into dates. The two are tied together at the first question."""

    def __init__(self, clock: Callable[[], float] = anyio.current_time) -> None:
        self._clock = clock
        self._offset: float | None = None

    def epoch(self, at: float | None = None) -> float:
        """Seconds since 1970 at a reading of the clock, or now."""
        now = self._clock()
        if self._offset is None:
            self._offset = time.time() - now
        return self._offset + min(now if at is None else at, now + FOR_EVER)

    def stamp(self, at: float | None = None) -> str:
        """RFC 3339 with nanoseconds, as Go prints it."""
        epoch = self.epoch(at)
        moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(epoch))
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{int(epoch % 1 * 1e9):09d}Z"
