"""Memory pressure without the yo-yo, and how often it is worth looking.

The kernel's level can flicker between readings, and each wrong step costs a reload of up to 20 s. So a worse level
counts at once and a better one only after it has held.

A warning that stays is different. macOS warns below half of what it calls available and takes the warning back only at
1.2 times that; wired weights shrink the base, so a Mac can stay at warning for days and work well (recorded). So a
warning is acted on while it rises: its first minutes, and whenever the kernel's own percentage falls further or pages
are swapped out again.
"""

from innkeepd.policy.memory.reading import PRESSURES
from innkeepd.policy.scheduling.events import Pressure

HOLD = 30.0
"""Seconds that a better level must hold: longer than a model's load, whose own footprint moves the gauge."""


STUCK_AFTER = 180.0
"""Seconds without a sign of worsening after which a warning says nothing new: light models leave in that time."""
FALLEN = 3
"""Points of ``kern.memorystatus_level`` (percent) that are a sign of worsening; it flickers by one or two."""
SWAPPED = 256 * 2**20
"""Bytes swapped out that are one."""


class Worsening:
    """Whether a warning still rises, by the kernel's percentage and by what was swapped out since the last sign."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._available: int | None = None
        self._swapped: int | None = None

    def feed(self, now: float, available: int | None, swapped: int | None) -> bool:
        """Take the readings of one instant of a warning; None is unknown, and without both a warning always counts."""
        if available is None and swapped is None:
            return True
        is_sign = (
            self._since is None
            or _fell(self._available, available, FALLEN)
            or _fell(swapped, self._swapped, SWAPPED)  # grew
        )
        if is_sign:
            self._since, self._available, self._swapped = now, available, swapped
        return now - (self._since or 0.0) < STUCK_AFTER

    def forget(self) -> None:
        """The warning is over."""
        self._since = self._available = self._swapped = None


def _fell(before: int | None, after: int | None, by: int) -> bool:
    return before is not None and after is not None and before - after >= by


class PressureGauge:
    """The level to act on: up at once, down after ``hold`` seconds, to the worst level seen in that time.

    ``acted`` is that level, but for a warning that no longer rises: that one asks for nothing.
    """

    def __init__(self, hold: float = HOLD) -> None:
        self._hold = hold
        self._level = 0
        self._since = 0.0
        self._worst: int | None = None
        self._worsening = Worsening()
        self.acted: Pressure = "normal"

    @property
    def level(self) -> Pressure:
        """The level as last fed."""
        return PRESSURES[self._level]

    def feed(self, level: Pressure, now: float, available: int | None = None, swapped: int | None = None) -> Pressure:
        """Take a reading at ``now`` (seconds, monotonic) and return the level; ``acted`` is the one to act on.

        ``available`` is the kernel's percentage, ``swapped`` the bytes swapped out so far; None is unknown.
        """
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
        if self.level == "warning":
            self.acted = "warning" if self._worsening.feed(now, available, swapped) else "normal"
        else:
            self._worsening.forget()
            self.acted = self.level
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
