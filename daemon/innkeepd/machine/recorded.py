"""Memory that is not this machine's: a recording out of a bug report, and a simulated Mac.

Both stand behind the same door as the real one (``memory.MemoryDoor``).
"""

import re
from pathlib import Path
from typing import Any, Protocol

from innkeepd.errors import DaemonError
from innkeepd.machine.vm_stat import parse_swap, parse_sysctl, parse_vm_stat
from innkeepd.policy.memory.reading import Reading, mac_reading

_LIMIT = 2**20
"""Bytes read of a recorded file; a real one has two thousand."""

_NUMBER = re.compile(r"[0-9]{1,19}")
"""What 64 bits hold; anything longer is garbage."""

_SIMULATED = ("total", "page_size", "free", "active", "inactive", "speculative", "wired", "purgeable", "file_backed",
              "anonymous", "swap_used", "memorystatus_level", "wired_limit_mb")  # fmt: skip


class RecordingError(DaemonError):
    """A folder that holds no recording; one line: what, where, what to do."""


class RecordedMemory:
    """A Mac's memory as somebody recorded it: a folder, or a report of ``innkeep doctor --report``.

    A folder holds ``vm_stat.txt`` and ``sysctl.txt`` (or several ``sysctl_*.txt``: ``name: value`` lines); either may
    be missing. Raises RecordingError where both are, or where there is neither a folder nor a report.
    """

    def __init__(self, recording: Path) -> None:
        stat, sysctl = _of_folder(recording) if recording.is_dir() else _of_report(recording)
        self._stat = parse_vm_stat(stat)
        self._values, self._unknown = parse_sysctl(sysctl)

    def read(self) -> Reading:
        """The recorded reading."""
        size = self._number("hw.pagesize") or self._number("vm.pagesize")
        total, used = parse_swap(self._values.get("vm.swapusage", "")) or (None, None)
        return mac_reading(
            self._stat.quantities(size)
            | {
                "source": "recording",
                "page_size": self._stat.page_size or size,
                "hw_memsize": self._number("hw.memsize"),
                "swap_total": total,
                "swap_used": used,
                "wired_limit_mb": self._number("iogpu.wired_limit_mb"),
                "memorystatus_level": self._number("kern.memorystatus_level"),
                "pressure_level": self._number("kern.memorystatus_vm_pressure_level"),
                "unknown": self._stat.unknown + self._unknown,
            }
        )

    def _number(self, name: str) -> int | None:
        value = self._values.get(name, "")
        return int(value) if _NUMBER.fullmatch(value) else None


class Machine(Protocol):
    """What ``SimulatedMemory`` needs of a simulated Mac: numbers of one instant, and what its Metal grants (bytes)."""

    @property
    def metal(self) -> int:
        """Metal's limit."""
        ...

    def numbers(self) -> Any:
        """Attributes named like the fields of ``Reading``, but ``stored``, ``occupied`` and ``pressure`` (1, 2, 4)."""
        ...


class SimulatedMemory:
    """The memory of a simulated Mac; always labelled as simulated."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def read(self) -> Reading:
        """What the machine pretends."""
        values = self._machine.numbers()
        fields = {name: getattr(values, name) for name in _SIMULATED}
        return mac_reading(
            fields
            | {
                "source": "simulated",
                "hw_memsize": values.total,
                "compressor_stored": values.stored,
                "compressor_occupied": values.occupied,
                "pressure_level": values.pressure,
                "gpu_limit": self._machine.metal,
                "gpu_limit_source": "simulated",
            }
        )


def _of_folder(folder: Path) -> tuple[str, str]:
    """The texts of ``vm_stat`` and of ``sysctl`` in a folder."""
    sysctls = [text for path in sorted(folder.glob("sysctl*.txt")) if (text := _recorded(path)) is not None]
    stat = _recorded(folder / "vm_stat.txt")
    if stat is None and not sysctls:
        raise RecordingError(
            f"{folder} holds neither vm_stat.txt nor sysctl.txt; make them with: vm_stat > vm_stat.txt; "
            "sysctl hw.memsize iogpu.wired_limit_mb vm.swapusage kern.memorystatus_vm_pressure_level > sysctl.txt"
        )
    return stat or "", "\n".join(sysctls)


def _of_report(file: Path) -> tuple[str, str]:
    """The same out of a report's sections, whose heads are the commands."""
    text = _recorded(file)
    if text is None:
        raise RecordingError(
            f"there is no {file}; --from wants a folder with vm_stat.txt and sysctl.txt, or a doctor's report"
        )
    parts = re.split(r"^== (.+) ==$", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    sysctls = [_without_remarks(content) for name, content in sections.items() if name.startswith("sysctl ")]
    if "vm_stat" not in sections and not sysctls:
        raise RecordingError(
            f"{file} is no report of `innkeep doctor --report` on a Mac: it holds no vm_stat, no sysctl"
        )
    return _without_remarks(sections.get("vm_stat", "")), "\n".join(sysctls)


def _without_remarks(text: str) -> str:
    """A command's output without what the report says of its exit status."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def _recorded(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT).decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise RecordingError(f"{path} can't be read: {fault.strerror or fault}") from fault
