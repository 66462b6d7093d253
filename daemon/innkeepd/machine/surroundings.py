"""Reading the conditions of ``[[when]]``: time of day, power, heat, camera and microphone, windows, programs.

One door with a ``read()``; only what the rules name is read. A reader that fails tells None: such a condition never
holds. On macOS the readings come from Apple's frameworks by ctypes (``mac_conditions``, ``mac_windows``), elsewhere
from psutil and /proc (``linux_conditions``).
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

import anyio
import psutil

from innkeepd.machine import linux_conditions
from innkeepd.machine.mac_conditions import MacConditions
from innkeepd.machine.mac_windows import has_full_screen_window
from innkeepd.policy.conditions import Conditions

Readers = Mapping[str, Callable[[], Any]]
"""By the name of a field of ``Conditions``: how to read it."""


class SurroundingsDoor(Protocol):
    """Something whose conditions can be read."""

    async def read(self, wanted: Iterable[str]) -> Conditions:
        """The time and the ``wanted`` fields of ``Conditions`` now; what cannot be read is None. Never raises."""
        ...


class MachineSurroundings:
    """This machine's conditions; they are read in a thread, because some of them take a walk over all processes."""

    def __init__(self, readers: Readers, wall: Callable[[], float] = time.time) -> None:
        self._readers = readers
        self._wall = wall

    async def read(self, wanted: Iterable[str]) -> Conditions:
        """The conditions now."""
        names = [name for name in wanted if name in self._readers]
        found = await anyio.to_thread.run_sync(self._read, names) if names else {}
        local = time.localtime(self._wall())
        return Conditions(minute=local.tm_hour * 60 + local.tm_min, weekday=local.tm_wday, **found)

    def _read(self, names: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in names:
            try:
                found[name] = self._readers[name]()
            except (OSError, AttributeError, ValueError, psutil.Error):
                continue  # the default of the field is "unknown"
        return found

    def __repr__(self) -> str:
        return f"<MachineSurroundings of {', '.join(self._readers)}>"


def machine_surroundings(platform: str = sys.platform) -> MachineSurroundings:
    """The door to this machine."""
    common: dict[str, Callable[[], Any]] = {"on_battery": on_battery, "battery": battery_percent, "apps": programs}
    if platform == "darwin":
        mac = MacConditions()
        return MachineSurroundings(
            common
            | {
                "low_power": mac.low_power,
                "thermal": mac.thermal,
                "camera": mac.camera,
                "microphone": mac.microphone,
                "full_screen": partial(has_full_screen_window),
            }
        )
    return MachineSurroundings(
        common
        | {
            "low_power": linux_conditions.low_power,
            "camera": linux_conditions.camera,
            "microphone": linux_conditions.microphone,
        }
    )


def on_battery() -> bool:
    """Whether the machine runs on its battery; one without a battery never does."""
    battery = psutil.sensors_battery()
    return battery is not None and battery.power_plugged is False


def battery_percent() -> float | None:
    """How full the battery is; None where there is none."""
    battery = psutil.sensors_battery()
    return None if battery is None else float(battery.percent)


def programs() -> frozenset[str]:
    """The names of all running processes, in lower case."""
    names = (process.info.get("name") for process in psutil.process_iter(["name"]))
    return frozenset(name.lower() for name in names if name)
