"""One reading of the machine's memory, and the named formulas that people compute from such a reading.

Every quantity is bytes, or None where the source did not say. macOS counts pages: free excludes the speculative ones
(as ``vm_stat`` prints them), *stored* is what the compressor holds before compression (logical), *occupied* the
memory that it really takes. The invariant active + inactive + speculative == file-backed + anonymous held in every
recording that has the lines.

The four formulas answer four different questions and differ by gigabytes on the same machine; each is named after its
author.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from innkeepd.policy.scheduling.events import Pressure

PRESSURES: tuple[Pressure, ...] = ("normal", "warning", "critical")
"""By rising severity. The kernel's levels are 1, 2 and 4 (``kern.memorystatus_vm_pressure_level``)."""

WARNING_BELOW = 0.5
CRITICAL_BELOW = 1.2 * 0.29
"""Share of the compressible memory that is not compressed (xnu, ``doc/vm/memorystatus_notify.md``)."""


class Reading(Struct, frozen=True, kw_only=True):
    """The machine's memory at one instant.

    ``platform`` is "macos" or another system's name; ``source`` how it was read. ``hw_memsize``, ``wired_limit_mb``
    (MiB, 0: not set), ``memorystatus_level`` (percent) and ``pressure_level`` (1, 2, 4) are raw kernel values.
    ``swapins`` and ``swapouts`` are bytes since boot (macOS: pages times page size, after compression). ``gpu_limit``
    is what Metal grants to one program, where somebody said it, and ``gpu_limit_source`` who. ``available`` is
    psutil's. ``unknown`` holds lines that we could not use.
    """

    platform: str = "macos"
    source: str = ""
    total: int | None = None
    page_size: int | None = None
    free: int | None = None
    active: int | None = None
    inactive: int | None = None
    speculative: int | None = None
    wired: int | None = None
    purgeable: int | None = None
    file_backed: int | None = None
    anonymous: int | None = None
    compressor_stored: int | None = None
    compressor_occupied: int | None = None
    swap_used: int | None = None
    swap_total: int | None = None
    swapins: int | None = None
    swapouts: int | None = None
    available: int | None = None
    hw_memsize: int | None = None
    wired_limit_mb: int | None = None
    memorystatus_level: int | None = None
    pressure_level: int | None = None
    gpu_limit: int | None = None
    gpu_limit_source: str = ""
    unknown: tuple[str, ...] = ()

    @property
    def pressure(self) -> Pressure:
        """The kernel's level in words; computed by the kernel's own thresholds where it told none."""
        if self.pressure_level is None:
            return _computed_pressure(self)
        if self.pressure_level >= 4:
            return "critical"
        return "warning" if self.pressure_level >= 2 else "normal"

    @property
    def free_now(self) -> int | None:
        """Bytes free as Ollama counts them, to predict its decision: its formula on macOS, else ``available``."""
        return ollama_free(self) if self.platform == "macos" else self.available

    @property
    def warnings(self) -> tuple[str, ...]:
        """What does not add up; a suspicious reading is still used."""
        pages = _total(self.active, self.inactive, self.speculative)
        kinds = _total(self.file_backed, self.anonymous)
        if pages is None or kinds is None or pages == kinds:
            return ()
        text = f"active + inactive + speculative is {pages} bytes, file-backed + anonymous {kinds}"
        return (f"{text}: they must be equal, so one of these lines was misread",)


def _total(*parts: int | None) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _computed_pressure(reading: Reading) -> Pressure:
    loose = _total(reading.free, reading.active, reading.inactive)
    if loose is None or reading.compressor_occupied is None:
        return "normal"
    loose += reading.speculative or 0
    share = loose / max(loose + reading.compressor_occupied, 1)
    if share < CRITICAL_BELOW:
        return "critical"
    return "warning" if share < WARNING_BELOW else "normal"


def queues(reading: Reading) -> int | None:
    """Bytes in the kernel's six queues. All memory on Intel; 0.5 to 1 GiB less than all on Apple silicon."""
    return _total(
        reading.free,
        reading.active,
        reading.inactive,
        reading.speculative,
        reading.wired,
        reading.compressor_occupied,
    )


def least_total(reading: Reading) -> int | None:
    """All memory, or at least what the queues that were told add up to; None where that says nothing."""
    if reading.total:
        return reading.total
    if reading.active is None or reading.inactive is None or reading.wired is None:
        return None
    rest = (reading.free, reading.speculative, reading.compressor_occupied)
    return reading.active + reading.inactive + reading.wired + sum(part or 0 for part in rest)


def ollama_free(reading: Reading) -> int | None:
    """Ollama's "system memory free" on macOS: what its scheduler admits a second model by.

    physical - (active + inactive + speculative + wired + occupied - purgeable - file-backed), 0 if negative.
    Source: ollama, ``discover/gpu_info_darwin.m``.
    """
    used = _total(reading.active, reading.inactive, reading.speculative, reading.wired, reading.compressor_occupied)
    droppable = _total(reading.purgeable, reading.file_backed)
    if reading.total is None or used is None or droppable is None:
        return None
    return max(reading.total - (used - droppable), 0)


def activity_monitor_used(reading: Reading) -> int | None:
    """Activity Monitor's "Memory Used" as the sum of its parts: app + wired + compressed.

    App is anonymous - purgeable; compressed is what the compressor *occupies* (taking *stored* gives more than the
    machine has). The headline that Activity Monitor itself shows was seen to exceed its parts by 0.7 GB on Apple
    silicon.
    """
    if reading.purgeable is None:
        return None
    used = _total(reading.anonymous, reading.wired, reading.compressor_occupied)
    return None if used is None else used - reading.purgeable


def used_memory(reading: Reading) -> int | None:
    """Bytes that programs and the system hold: Activity Monitor's figure, elsewhere all that is not available."""
    used = activity_monitor_used(reading)
    if used is not None or reading.total is None or reading.available is None:
        return used
    return max(0, reading.total - reading.available)


def psutil_available(reading: Reading) -> int | None:
    """The ``available`` of psutil on macOS: inactive + free, speculative pages included (``psutil/arch/osx/mem.c``).

    Not a measure for loading: it counts inactive program memory, which must be compressed first, and leaves out the
    active file cache.
    """
    return _total(reading.inactive, reading.free, reading.speculative)


def memory_pressure_percent(reading: Reading) -> int | None:
    """The percentage that ``memory_pressure`` prints: the part of the six queues neither wired nor compressed.

    Rounded down. Source: xnu, ``vm_page.h`` (VM_CHECK_MEMORYSTATUS); the same number as ``kern.memorystatus_level``.
    A gauge of pressure, not of how much can be loaded: it counts every program's uncompressed memory as available.
    """
    total = queues(reading)
    loose = _total(reading.free, reading.active, reading.inactive, reading.speculative)
    return None if not total or loose is None else 100 * loose // total


def mac_reading(fields: Mapping[str, Any]) -> Reading:
    """A Mac's reading from the fields told: total is hw.memsize, available follows from psutil's formula."""
    last: dict[str, Any] = {"total": fields.get("hw_memsize") or None} | dict(fields)
    reading = Reading(**last)
    return replace(reading, available=psutil_available(reading))


def formulas(reading: Reading) -> dict[str, int | None]:
    """Every named formula on this reading; the percentage is a percentage, the rest bytes."""
    return {
        "ollama_free": ollama_free(reading),
        "activity_monitor_used": activity_monitor_used(reading),
        "psutil_available": reading.available if reading.platform != "macos" else psutil_available(reading),
        "memory_pressure_percent": memory_pressure_percent(reading),
    }
