"""Memory pressure without the yo-yo, and how often it is worth looking.

The kernel's level can flicker between readings, and each wrong step costs a reload of up to 20 s. So a worse level
counts at once and a better one only after it has held.
"""

from innkeepd.policy.memory.reading import PRESSURES
from innkeepd.policy.scheduling.events import Pressure

HOLD = 30.0
"""Seconds that a better level must hold: longer than a model's load, whose own footprint moves the gauge."""


class PressureGauge:
    """The level to act on: up at once, down after ``hold`` seconds, to the worst level seen in that time."""

    def __init__(self, hold: float = HOLD) -> None:
        self._hold = hold
        self._level = 0
        self._since = 0.0
        self._worst: int | None = None

    @property
    def level(self) -> Pressure:
        """The level to act on, as last fed."""
        return PRESSURES[self._level]

    def feed(self, level: Pressure, now: float) -> Pressure:
        """Take a reading at ``now`` (seconds, monotonic) and return the level to act on."""
        seen = PRESSURES.index(level)
        if seen >= self._level:
            self._level, self._worst = seen, None
        elif self._worst is None:
            self._since, self._worst = now, seen
        else:
            self._worst = max(self._worst, seen)
        if self._worst is not None and now - self._since >= self._hold:
            self._level, self._since = self._worst, now
            self._worst = seen if seen < self._level else None
        return self.level

    def __repr__(self) -> str:
        falling = "" if self._worst is None else f", {PRESSURES[self._worst]} since {self._since:.1f}"
        return f"<PressureGauge {self.level}{falling}>"


def sample_every(*, changing: bool, resident: bool, connected: bool, pressure: Pressure = "normal") -> float:
    """Seconds until memory is read again: often around a load, rarely with nothing loaded (battery)."""
    if changing:
        return 1.0
    if pressure != "normal":
        return 5.0
    return 10.0 if resident or connected else 60.0
