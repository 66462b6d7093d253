"""Recorded Macs: texts, readings, and a libSystem that answers with them through C's calling convention."""

import ctypes
import struct
from pathlib import Path

from innkeepd.machine.darwin import PAGE_COUNTS
from innkeepd.machine.vm_stat import QUANTITIES, parse_vm_stat
from innkeepd.policy.memory.reading import Reading, mac_reading

DATA = Path(__file__).parent.parent / "data" / "macos"
GIB = 2**30

VM_STATS = {
    "vm_stat_arm64_16g_macos26_5.txt": 16 * GIB,
    "vm_stat_arm64_32g_macmini_busy.txt": 32 * GIB,
    "vm_stat_arm64_32g_macmini_idle.txt": 32 * GIB,
    "vm_stat_arm64_64g_trimmed.txt": 64 * GIB,
    "vm_stat_arm64_8g_macos26_trimmed.txt": 8 * GIB,
    "vm_stat_arm64_m5_macos26_memtag_before.txt": 48 * GIB,
    "vm_stat_intel_32g_facter.txt": 32 * GIB,
    "vm_stat_intel_32g_wazuh_fresh.txt": 32 * GIB,
    "vm_stat_intel_pre_10_9_ohai.txt": 16 * GIB,
}
"""Every recording of vm_stat, and its machine's memory."""

M4_24G = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free: 4639.
Pages active: 282031.
Pages inactive: 278118.
Pages speculative: 2945.
Pages throttled: 0.
Pages wired down: 229773.
Pages purgeable: 2.
File-backed pages: 216497.
Anonymous pages: 346597.
Pages stored in compressor: 3062918.
Pages occupied by compressor: 720838.
Swapins: 52631520.
Swapouts: 72505814.
"""
"""The numbers of vm_stat that were told with sysctl_m4_24g_macos26_5_warn.txt."""


def text(name):
    """A recorded text."""
    return (DATA / name).read_text()


def reading(vm_stat, **fields) -> Reading:
    """The reading of a recorded vm_stat (a file's name, or its text)."""
    stat = parse_vm_stat(text(vm_stat) if vm_stat.endswith(".txt") else vm_stat)
    fields.setdefault("hw_memsize", VM_STATS.get(vm_stat))
    return mac_reading(stat.quantities() | {"page_size": stat.page_size} | fields)


def page_counts(vm_stat: str) -> dict[str, bytes]:
    """The page sysctls of the moment at which ``vm_stat`` was recorded, unsigned ints as in XNU."""
    stat = parse_vm_stat(vm_stat)
    count = {name: stat.pages.get(label, 0) for label, name in QUANTITIES.items()}
    return {name: struct.pack("=I", count[quantity]) for quantity, name in PAGE_COUNTS.items()}


class FakeLibSystem:
    """The functions of libSystem that we call, with a recorded vm_stat and sysctls (bytes by name)."""

    def __init__(
        self, vm_stat: str, sysctls: dict[str, bytes], *, code=0, words=38, page_code=0, footprints=None
    ) -> None:
        stat = parse_vm_stat(vm_stat)
        count = {name: stat.pages.get(label, 0) for label, name in QUANTITIES.items()}
        self.asked: list[str] = []
        self.hosts = 0
        self.statistics = 0
        packed = struct.pack(
            "=4I9Q2I4Q4IQQ",
            count["free"] + count["speculative"], count["active"], count["inactive"], count["wired"],
            *range(9),
            count["purgeable"], count["speculative"],
            1, 2, count["swapins"], count["swapouts"],
            count["compressor_occupied"], 0, count["file_backed"], count["anonymous"], count["compressor_stored"],
            0xDEAD,  # a newer kernel's swapped_count: must not be asked for
        )  # fmt: skip

        def host_statistics64(host, flavor, into, room):
            assert (host, flavor, room[0]) == (7, 4, 38)
            self.statistics += 1
            ctypes.memmove(into, packed, room[0] * 4)
            room[0] = words
            return code

        def host_page_size(host, size):
            assert host == 7
            size[0] = stat.page_size
            return page_code

        def sysctlbyname(name, into, size, new, new_size):
            assert (new, new_size) == (None, 0)
            self.asked.append(name.decode())
            value = sysctls.get(name.decode())
            if value is None:
                return -1
            ctypes.memmove(into, value, len(value))
            size[0] = len(value)
            return 0

        def proc_pid_rusage(pid, flavor, into):
            assert flavor == 4
            if pid not in (footprints or {}):
                return -1
            ctypes.memmove(into, struct.pack("=16s35Q", b"uuid", *range(7), footprints[pid], *range(27)), 296)
            return 0

        def mach_host_self():
            self.hosts += 1
            return 7

        u32, size_t, pointer, string = ctypes.c_uint32, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p
        words_p, size_p = ctypes.POINTER(u32), ctypes.POINTER(size_t)
        integer = ctypes.c_int
        self.host_statistics64 = ctypes.CFUNCTYPE(integer, u32, integer, pointer, words_p)(host_statistics64)
        self.host_page_size = ctypes.CFUNCTYPE(integer, u32, size_p)(host_page_size)
        self.sysctlbyname = ctypes.CFUNCTYPE(integer, string, pointer, size_p, pointer, size_t)(sysctlbyname)
        self.proc_pid_rusage = ctypes.CFUNCTYPE(integer, integer, integer, pointer)(proc_pid_rusage)
        self.mach_host_self = ctypes.CFUNCTYPE(u32)(mach_host_self)
