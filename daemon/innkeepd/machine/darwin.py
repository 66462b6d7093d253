"""The door to the macOS kernel: ``host_statistics64`` and ``sysctlbyname`` of libSystem by ctypes, no process started.

The same calls that ``vm_stat`` and ``sysctl`` make, and ``proc_pid_rusage`` for single processes. Nothing here has been
run on a Mac by us; it is tested through the C calling convention against a libSystem made of recordings.
"""

import ctypes
import struct
import time
from collections.abc import Callable
from typing import Any

LIBSYSTEM = "/usr/lib/libSystem.B.dylib"

_VM_INFO64 = 4
_VM_INFO64_WORDS = 38
"""HOST_VM_INFO64_COUNT up to total_uncompressed_pages_in_compressor; newer kernels append more and honour it."""
_VM_STATISTICS64 = struct.Struct("=4I9Q2I4Q4IQ")
_SWAP_USAGE = struct.Struct("=3Q2I")


STATISTICS_EVERY = 1.0
"""Seconds between two calls of ``host_statistics64``.

XNU allows all programs that are not Apple's together a random 2 to 10 a second of them, and beyond that gives back an
old copy with KERN_SUCCESS (osfmk/kern/host.c, ``rate_limit_host_statistics``, since macOS 10.14). Ollama's own reading
of what is free eats from the same bowl. The sysctls below have no limit.
"""
PAGE_COUNTS = {
    "free": "vm.page_free_count",
    "speculative": "vm.page_speculative_count",
    "wired": "vm.page_wire_count",
    "purgeable": "vm.page_purgeable_count",
    "file_backed": "vm.page_pageable_external_count",
    "anonymous": "vm.page_pageable_internal_count",
}
"""Quantity -> sysctl (bsd/vm/vm_unix.c): the counters that ``host_statistics64`` adds up, read at once.

They leave out pages in the queues of single CPUs, a few MB. What the compressor takes is not among them
(``vm.compressor_bytes_used`` counts payload, not pages), so that comes from ``host_statistics64``.
"""

_RUSAGE_INFO_V4 = 4
_RUSAGE_BYTES = 1024
"""Room for ``struct rusage_info_v4`` (296 bytes) and what newer kernels may add."""
_PHYS_FOOTPRINT = 72
"""Offset of ``ri_phys_footprint``: a uuid of 16 bytes, then seven 64-bit counters (``sys/resource.h``)."""


class KernelError(Exception):
    """The kernel could not be asked; ``str()`` says for what."""


class Kernel:
    """What the kernel tells of memory. ``libsystem`` is a loaded library, or None for this machine's.

    ``clock`` gives seconds that only grow. Raises KernelError where the library or one of its functions is missing.
    """

    def __init__(self, libsystem: Any = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[float, dict[str, int]] | None = None
        try:
            lib = libsystem if libsystem is not None else ctypes.CDLL(LIBSYSTEM, use_errno=True)
            self._statistics = lib.host_statistics64
            self._page_size = lib.host_page_size
            self._sysctl = lib.sysctlbyname
            self_port = lib.mach_host_self
        except (OSError, AttributeError) as fault:
            raise KernelError(f"libSystem: {fault}") from fault
        self._rusage = getattr(lib, "proc_pid_rusage", None)
        if self._rusage is not None:
            self._rusage.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
            self._rusage.restype = ctypes.c_int
        word = ctypes.POINTER(ctypes.c_uint32)
        length = ctypes.POINTER(ctypes.c_size_t)
        self._statistics.argtypes = [ctypes.c_uint32, ctypes.c_int, ctypes.c_void_p, word]
        self._statistics.restype = ctypes.c_int
        self._page_size.argtypes = [ctypes.c_uint32, length]
        self._page_size.restype = ctypes.c_int
        self._sysctl.argtypes = [ctypes.c_char_p, ctypes.c_void_p, length, ctypes.c_void_p, ctypes.c_size_t]
        self._sysctl.restype = ctypes.c_int
        self_port.argtypes = []
        self_port.restype = ctypes.c_uint32
        # Asked once: every call of mach_host_self() takes another reference to the port.
        self._host = self_port()

    def page_size(self) -> int:
        """The kernel's own page size in bytes, which under Rosetta is not the process's. Raises KernelError."""
        size = ctypes.c_size_t()
        if self._page_size(self._host, ctypes.byref(size)) or not size.value:
            raise KernelError("host_page_size failed")
        return size.value

    def quantities(self) -> dict[str, int]:
        """Bytes by the names of ``Reading``, and ``page_size``. Raises KernelError.

        What changes fast is read by sysctl and is of now; the rest is at most ``STATISTICS_EVERY`` old. ``inactive`` is
        then what is pageable beside the rest, so that the sums hold. Kernels without one of the sysctls tell all by
        ``host_statistics64``.
        """
        now = self._clock()
        if self._last is None or now - self._last[0] >= STATISTICS_EVERY:
            self._last = now, self._statistics_now()
        last = self._last[1]
        size = last["page_size"]
        fresh: dict[str, int] = {}
        for quantity, name in PAGE_COUNTS.items():
            count = self.number(name)
            if count is None:
                return last if now == self._last[0] else self._statistics_now()
            fresh[quantity] = count * size
        pageable = fresh["anonymous"] + fresh["file_backed"] - fresh["speculative"]
        active = min(last["active"], max(pageable, 0))
        return last | fresh | {"active": active, "inactive": max(pageable - active, 0)}

    def _statistics_now(self) -> dict[str, int]:
        """The same by ``host_statistics64`` alone, which XNU limits. Raises KernelError.

        Its free count includes the speculative pages; like ``vm_stat`` we leave them out.
        """
        buffer = ctypes.create_string_buffer(256)
        words = ctypes.c_uint32(_VM_INFO64_WORDS)
        code = self._statistics(self._host, _VM_INFO64, buffer, ctypes.byref(words))
        if code or words.value < _VM_INFO64_WORDS:
            raise KernelError(f"host_statistics64 answered {code} with {words.value} words")
        counts = _VM_STATISTICS64.unpack_from(buffer)
        size = self.page_size()
        free, active, inactive, wired = counts[:4]
        purgeable, speculative = counts[13:15]
        swapins, swapouts, occupied, _throttled, external, internal, stored = counts[17:24]
        pages = {
            "free": free - speculative,
            "active": active,
            "inactive": inactive,
            "speculative": speculative,
            "wired": wired,
            "purgeable": purgeable,
            "file_backed": external,
            "anonymous": internal,
            "compressor_stored": stored,
            "compressor_occupied": occupied,
            "swapins": swapins,
            "swapouts": swapouts,
        }
        return {name: count * size for name, count in pages.items()} | {"page_size": size}

    def number(self, name: str) -> int | None:
        """An integer sysctl of 4 or 8 bytes; None where this kernel has none of that name. No rights needed."""
        raw = self._value(name)
        return int.from_bytes(raw, "little") if raw is not None and len(raw) in {4, 8} else None

    def swap(self) -> tuple[int, int] | None:
        """(total, used) bytes of ``vm.swapusage`` (struct xsw_usage: total, available, used, page size, encrypted)."""
        raw = self._value("vm.swapusage")
        if raw is None or len(raw) < _SWAP_USAGE.size:
            return None
        total, _available, used, _page, _encrypted = _SWAP_USAGE.unpack_from(raw)
        return total, used

    def footprint(self, pid: int) -> int | None:
        """``ri_phys_footprint`` of a process of ours, bytes; None where it cannot be asked.

        What Activity Monitor calls its memory: Metal's share included, weights mapped from their file left out.
        """
        if self._rusage is None:
            return None
        buffer = ctypes.create_string_buffer(_RUSAGE_BYTES)
        if self._rusage(pid, _RUSAGE_INFO_V4, buffer):
            return None
        return int.from_bytes(buffer.raw[_PHYS_FOOTPRINT : _PHYS_FOOTPRINT + 8], "little")

    def _value(self, name: str) -> bytes | None:
        buffer = ctypes.create_string_buffer(256)
        size = ctypes.c_size_t(len(buffer))
        if self._sysctl(name.encode(), buffer, ctypes.byref(size), None, 0):
            return None
        return buffer.raw[: size.value]
