"""The rules of ``[[when]]``: conditions of the machine, and whether a rule holds under them.

A rule holds where every condition that it names holds; one that is unknown on this machine does not hold.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

Thermal: TypeAlias = Literal["nominal", "fair", "serious", "critical"]
Then: TypeAlias = Literal["hold", "light_only", "batch_only", "no_growth"]

THERMAL: tuple[Thermal, ...] = ("nominal", "fair", "serious", "critical")
"""Rising; the names are those of macOS (``NSProcessInfoThermalState``)."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60
"""Minutes of a day. Hours are wall-clock time, so a day with a change of daylight saving time repeats or skips some."""


class Conditions(Struct, frozen=True):
    """The machine at one instant; None is unknown.

    ``minute`` of the local day (0 to 1439) and ``weekday`` (0 is Monday) by the wall clock. ``battery`` is in percent,
    ``apps`` are the names of running programs in lower case. ``suspending``: the system has announced that it sleeps.
    """

    minute: int = 0
    weekday: int = 0
    on_battery: bool | None = None
    battery: float | None = None
    low_power: bool | None = None
    thermal: Thermal | None = None
    camera: bool | None = None
    microphone: bool | None = None
    full_screen: bool | None = None
    apps: frozenset[str] = frozenset()
    suspending: bool = False


class Rule(Struct, frozen=True):
    """One ``[[when]]`` table; None and empty fields are conditions that it does not name.

    ``hours`` are minutes of the day, from (included) and to (not included); where they cross midnight, ``days`` (0 is
    Monday) name the day on which they begin. ``thermal`` holds at this state and every hotter one.
    """

    name: str
    then: Then
    hours: tuple[int, int] | None = None
    days: tuple[int, ...] = ()
    on_battery: bool | None = None
    battery_below: int | None = None
    low_power: bool | None = None
    thermal: Thermal | None = None
    camera: bool | None = None
    microphone: bool | None = None
    full_screen: bool | None = None
    app: str = ""
    suspend: bool | None = None

    def holds(self, now: Conditions) -> bool:
        """Whether every condition that it names holds."""
        flags = (
            (self.on_battery, now.on_battery),
            (self.low_power, now.low_power),
            (self.camera, now.camera),
            (self.microphone, now.microphone),
            (self.full_screen, now.full_screen),
            (self.suspend, now.suspending),
        )
        return (
            self._is_time(now)
            and all(wanted is None or wanted == found for wanted, found in flags)
            and (self.battery_below is None or (now.battery is not None and now.battery < self.battery_below))
            and (self.thermal is None or (now.thermal is not None and _heat(now.thermal) >= _heat(self.thermal)))
            and (not self.app or self.app.lower() in now.apps)
        )

    def _is_time(self, now: Conditions) -> bool:
        day = now.weekday
        if self.hours is not None:
            start, end = self.hours
            if start > end and now.minute < end:
                day = (day - 1) % 7  # the hours began yesterday
            elif not (start <= now.minute < end if start < end else now.minute >= start):
                return False
        return not self.days or day in self.days

    def named(self) -> set[str]:
        """The fields of ``Conditions`` beside the time that this rule needs to be read."""
        wanted = {
            "on_battery": self.on_battery is not None,
            "battery": self.battery_below is not None,
            "low_power": self.low_power is not None,
            "thermal": self.thermal is not None,
            "camera": self.camera is not None,
            "microphone": self.microphone is not None,
            "full_screen": self.full_screen is not None,
            "apps": bool(self.app),
        }
        return {name for name, is_named in wanted.items() if is_named}

    def described(self) -> str:
        """The rule in words, for ``status``: ``night (hours 22:00-07:00): hold``."""
        parts = [f"hours {spell_hours(self.hours)}"] if self.hours is not None else []
        parts += [f"days {', '.join(DAYS[day] for day in self.days)}"] if self.days else []
        flags = ("on_battery", "low_power", "camera", "microphone", "full_screen", "suspend")
        parts += [
            name.replace("_", " ") if getattr(self, name) else f"not {name.replace('_', ' ')}"
            for name in flags
            if getattr(self, name) is not None
        ]
        parts += [f"battery below {self.battery_below} %"] if self.battery_below is not None else []
        parts += [f"thermal state {self.thermal}"] if self.thermal is not None else []
        parts += [f"{self.app} runs"] if self.app else []
        return f"{self.name} ({', '.join(parts)}): {self.then.replace('_', ' ')}"


def read_hours(text: str) -> tuple[int, int]:
    """``"22:00-07:00"`` as minutes of the day. Raises ``ValueError`` with what was expected."""
    start, mark, end = text.partition("-")
    minutes = [_minute(part.strip()) for part in (start, end)] if mark else []
    if len(minutes) != 2 or minutes[0] == minutes[1] or minutes[0] == DAY:
        raise ValueError('hours as in "22:00-07:00", local time, two different ones')
    return minutes[0], minutes[1]


def spell_hours(hours: tuple[int, int]) -> str:
    """The reverse of ``read_hours``."""
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in hours)


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    if not (hour.isascii() and hour.isdecimal() and minute.isascii() and minute.isdecimal() and len(minute) == 2):
        raise ValueError('hours as in "22:00-07:00"')
    if int(minute) >= 60 or int(hour) * 60 + int(minute) > DAY:
        raise ValueError('hours as in "22:00-07:00", from 00:00 to 24:00')
    return int(hour) * 60 + int(minute)


def _heat(state: Thermal) -> int:
    return THERMAL.index(state)
