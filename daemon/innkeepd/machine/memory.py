"""Reading this machine's memory: one small door with a ``read()``, and what stands behind it.

On macOS the kernel is asked by ctypes (``darwin.py``); ``vm_stat`` is started only where that fails. Elsewhere
psutil. A recording or a simulated machine stands behind the same door, so whoever decides cannot tell the difference
(``Reading.source`` can).
"""

import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, Protocol

import psutil

from innkeepd.machine.darwin import Kernel, KernelError
from innkeepd.machine.metal import MetalDevice
from innkeepd.machine.metal_log import MetalLog
from innkeepd.machine.vm_stat import parse_vm_stat
from innkeepd.policy.memory.reading import Reading, mac_reading

MIB = 2**20
WARNING_AVAILABLE = 0.10
CRITICAL_AVAILABLE = 0.05
"""Off the Mac: shares of all memory below which pressure is a warning or critical.

Linux has /proc/pressure, but in a container it is the whole host's, and it is often switched off; what is available
counts for us in both.
"""


class MemoryDoor(Protocol):
    """Something whose memory can be read."""

    def read(self) -> Reading:
        """The memory now. Quick, never raises: what cannot be read is None."""
        ...


class MacMemory:
    """A Mac's memory. ``kernel`` None: not reachable by ctypes, so ``vm_stat`` is run instead."""

    def __init__(
        self,
        kernel: Kernel | None,
        *,
        metal: MetalLog | None = None,
        device: MetalDevice | None = None,
        vm_stat: Callable[[], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kernel = kernel
        self._metal = metal or MetalLog()
        self._device = device
        self._vm_stat = vm_stat or run_vm_stat
        self._clock = clock

    def read(self) -> Reading:
        """The kernel's counts, its sysctls, and Metal's limit: Metal's own word, else that of Ollama's log."""
        try:
            reading = self._asked() if self._kernel is not None else self._printed()
        except KernelError:
            reading = self._printed()
        limit, source = (self._device.limit(reading.get("wired_limit_mb")) if self._device else None), "Metal"
        if limit is None:
            limit, source = self._metal.limit(self._clock()), "Ollama's log"
        return mac_reading(reading | ({"gpu_limit": limit, "gpu_limit_source": source} if limit else {}))

    def _asked(self) -> dict[str, Any]:
        kernel = self._kernel
        assert kernel is not None  # noqa: S101 - read() asked
        number = kernel.number
        override = number("iogpu.wired_limit_mb")
        if override is None and (older := number("debug.iogpu.wired_limit")) is not None:
            override = older // MIB  # macOS 13 said it in bytes
        total, used = kernel.swap() or (None, None)
        return kernel.quantities() | {
            "source": "host_statistics64",
            "hw_memsize": number("hw.memsize"),
            "swap_total": total,
            "swap_used": used,
            "wired_limit_mb": override,
            "memorystatus_level": number("kern.memorystatus_level"),
            "pressure_level": number("kern.memorystatus_vm_pressure_level"),
        }

    def _printed(self) -> dict[str, Any]:
        stat = parse_vm_stat(self._vm_stat())
        swap = _swap()
        return stat.quantities() | {
            "source": "vm_stat",
            "page_size": stat.page_size,
            "hw_memsize": psutil.virtual_memory().total,
            "swap_total": swap.total,
            "swap_used": swap.used,
            "unknown": stat.unknown,
        }


class PsutilMemory:
    """The memory of a machine that is no Mac, as psutil tells it; no Metal limit, and pressure by our own measure."""

    def read(self) -> Reading:
        """Total, available and swap; what only macOS counts is None."""
        memory = psutil.virtual_memory()
        swap = _swap()
        share = memory.available / max(memory.total, 1)
        return Reading(
            platform=sys.platform,
            source="psutil",
            total=memory.total,
            free=memory.free,
            active=getattr(memory, "active", None),
            inactive=getattr(memory, "inactive", None),
            available=memory.available,
            swap_used=swap.used,
            swap_total=swap.total,
            swapins=swap.sin,
            swapouts=swap.sout,
            pressure_level=4 if share < CRITICAL_AVAILABLE else 2 if share < WARNING_AVAILABLE else 1,
        )


def machine_memory(platform: str = sys.platform) -> MemoryDoor:
    """The door to this machine's memory."""
    if platform != "darwin":
        return PsutilMemory()
    try:
        return MacMemory(Kernel(), device=MetalDevice())
    except KernelError:
        return MacMemory(None)


def run_vm_stat() -> str:
    """The output of ``vm_stat``; empty where it can't be had."""
    try:
        return subprocess.run(["/usr/bin/vm_stat"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _swap() -> Any:
    with warnings.catch_warnings():
        # psutil warns where the system does not count swapping; zeros are as good.
        warnings.simplefilter("ignore", RuntimeWarning)
        return psutil.swap_memory()
