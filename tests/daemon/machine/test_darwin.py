import ctypes
import struct
import sys

import pytest

from innkeepd.machine.darwin import Kernel, KernelError
from innkeepd.machine.vm_stat import parse_vm_stat
from innkeepd.policy.memory.reading import mac_reading, ollama_free
from support.macos import GIB, M4_24G, VM_STATS, FakeLibSystem, page_counts, text

SYSCTLS = {
    "hw.memsize": struct.pack("=Q", 24 * GIB),
    "kern.memorystatus_vm_pressure_level": struct.pack("=i", 2),
    "vm.swapusage": struct.pack("=3Q2I", 16 * GIB, GIB, 15 * GIB, 16384, 1),
    "machdep.cpu.brand_string": b"Apple M4\0",
}


@pytest.mark.parametrize("name", [name for name in VM_STATS if "trimmed" not in name and "pre_10_9" not in name])
def test_the_kernels_struct_and_vm_stats_text_of_the_same_moment_are_the_same_reading(name):
    expected = parse_vm_stat(text(name))
    told = Kernel(FakeLibSystem(text(name), {})).quantities()
    assert told == expected.quantities() | {"page_size": expected.page_size}


@pytest.mark.parametrize("name", [name for name in VM_STATS if "trimmed" not in name and "pre_10_9" not in name])
def test_the_unlimited_sysctls_give_exactly_the_recorded_reading_and_ollamas_free(name):
    """Between two calls of host_statistics64 too, and whatever the older one said of the fast counters."""
    expected = parse_vm_stat(text(name)).quantities()
    now = [0.0]
    lib = FakeLibSystem(text(name), page_counts(text(name)))
    kernel = Kernel(lib, clock=lambda: now[0])
    for now[0] in (0.0, 0.1, 0.9):
        told = kernel.quantities()
        assert {key: told[key] for key in expected} == expected
        assert ollama_free(mac_reading(told | {"hw_memsize": VM_STATS[name]})) == ollama_free(
            mac_reading(expected | {"hw_memsize": VM_STATS[name]})
        )
    assert lib.statistics == 1


def test_a_model_that_leaves_is_seen_at_once_though_the_kernel_limits_its_statistics():
    now = [0.0]
    counts = page_counts(M4_24G)
    lib = FakeLibSystem(M4_24G, counts)
    kernel = Kernel(lib, clock=lambda: now[0])
    before = ollama_free(mac_reading(kernel.quantities() | {"hw_memsize": 24 * GIB}))
    pages = 2 * GIB // 16384
    counts["vm.page_wire_count"] = struct.pack("=I", 229773 - pages)
    counts["vm.page_free_count"] = struct.pack("=I", 4639 + pages)
    for now[0] in [tick / 10 for tick in range(1, 10)]:
        told = kernel.quantities()
        assert not mac_reading(told | {"hw_memsize": 24 * GIB}).warnings
        assert ollama_free(mac_reading(told | {"hw_memsize": 24 * GIB})) == before + pages * 16384
    assert lib.statistics == 1, "ten readings in a second took one of the 2 to 10 that all programs share"
    now[0] = 1.0
    kernel.quantities()
    assert lib.statistics == 2


def test_a_kernel_without_one_of_the_sysctls_tells_all_by_its_statistics():
    counts = page_counts(M4_24G)
    del counts["vm.page_wire_count"]
    lib = FakeLibSystem(M4_24G, counts)
    kernel = Kernel(lib, clock=lambda: 5.0)
    expected = parse_vm_stat(M4_24G)
    assert kernel.quantities() == kernel.quantities() == expected.quantities() | {"page_size": expected.page_size}
    older = Kernel(lib, clock=iter([0.0, 0.5]).__next__)
    assert older.quantities() == older.quantities()


def test_the_host_port_is_asked_for_once():
    lib = FakeLibSystem(M4_24G, {})
    kernel = Kernel(lib)
    kernel.quantities()
    kernel.quantities()
    assert lib.hosts == 1


@pytest.mark.parametrize("answer", [{"code": 5}, {"words": 24}, {"page_code": 5}])
def test_a_kernel_that_refuses_or_tells_too_little_is_an_error(answer):
    with pytest.raises(KernelError):
        Kernel(FakeLibSystem(M4_24G, {}, **answer)).quantities()


def test_sysctls_of_four_and_eight_bytes():
    kernel = Kernel(FakeLibSystem(M4_24G, SYSCTLS))
    assert kernel.number("hw.memsize") == 24 * GIB
    assert kernel.number("kern.memorystatus_vm_pressure_level") == 2


def test_a_sysctl_that_is_missing_or_no_number_is_none():
    kernel = Kernel(FakeLibSystem(M4_24G, SYSCTLS))
    assert kernel.number("debug.iogpu.wired_limit") is None
    assert kernel.number("machdep.cpu.brand_string") is None


def test_swap_is_total_and_used_of_the_kernels_struct():
    assert Kernel(FakeLibSystem(M4_24G, SYSCTLS)).swap() == (16 * GIB, 15 * GIB)
    assert Kernel(FakeLibSystem(M4_24G, {})).swap() is None
    assert Kernel(FakeLibSystem(M4_24G, {"vm.swapusage": b"short"})).swap() is None


def test_the_footprint_of_a_process_is_the_kernels():
    """``struct rusage_info_v4``: a uuid, then ``ri_phys_footprint`` as the eighth of 35 counters."""
    kernel = Kernel(FakeLibSystem(M4_24G, {}, footprints={7: 21 * GIB}))
    assert (kernel.footprint(7), kernel.footprint(8)) == (21 * GIB, None)
    old = FakeLibSystem(M4_24G, {})
    del old.proc_pid_rusage
    assert Kernel(old).footprint(7) is None


def test_a_library_without_the_functions_is_an_error():
    with pytest.raises(KernelError, match="libSystem"):
        Kernel(object())


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has libSystem")
def test_a_machine_without_libsystem_is_an_error():
    with pytest.raises(KernelError, match="libSystem"):
        Kernel()


@pytest.mark.skipif(sys.platform != "darwin", reason="needs a Mac")
def test_a_real_mac_tells_its_memory():
    told = Kernel().quantities()
    assert 0 < told["wired"] < Kernel().number("hw.memsize")
    assert told["page_size"] in {4096, 16384}


def test_the_struct_is_the_38_words_that_are_asked_for():
    assert ctypes.sizeof(ctypes.c_uint32) * 38 == struct.calcsize("=4I9Q2I4Q4IQ")
