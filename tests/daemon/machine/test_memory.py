import struct
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from innkeepd.machine import memory
from innkeepd.machine.darwin import Kernel
from innkeepd.machine.memory import MacMemory, PsutilMemory, machine_memory, run_vm_stat
from innkeepd.machine.metal_log import MetalLog
from support.macos import GIB, M4_24G, FakeLibSystem, reading

SYSCTLS = {
    "hw.memsize": struct.pack("=Q", 24 * GIB),
    "kern.memorystatus_vm_pressure_level": struct.pack("=i", 2),
    "kern.memorystatus_level": struct.pack("=I", 37),
    "iogpu.wired_limit_mb": struct.pack("=i", 0),
    "vm.swapusage": struct.pack("=3Q2I", 16 * GIB, GIB, 15 * GIB, 16384, 1),
}


def mac(sysctls=SYSCTLS, *, log=(), vm_stat=lambda: "", **answer):
    return MacMemory(
        Kernel(FakeLibSystem(M4_24G, sysctls, **answer)), metal=MetalLog(log), vm_stat=vm_stat, clock=lambda: 0.0
    )


def test_a_mac_is_read_without_starting_a_process():
    def never():
        raise AssertionError("vm_stat was started")

    told = mac(vm_stat=never).read()
    assert told == reading(
        M4_24G,
        source="host_statistics64",
        hw_memsize=24 * GIB,
        swap_total=16 * GIB,
        swap_used=15 * GIB,
        wired_limit_mb=0,
        memorystatus_level=37,
        pressure_level=2,
    )
    assert (told.total, told.pressure) == (24 * GIB, "warning")


def test_what_this_kernel_does_not_know_is_none():
    told = mac({"hw.memsize": struct.pack("=Q", 24 * GIB)}).read()
    assert (told.swap_used, told.wired_limit_mb, told.pressure_level) == (None, None, None)


def test_the_older_name_of_the_override_is_in_bytes():
    assert mac({"debug.iogpu.wired_limit": struct.pack("=Q", 12 * GIB)}).read().wired_limit_mb == 12 * 1024


def test_metals_limit_comes_from_ollamas_log(tmp_path):
    log = tmp_path / "server.log"
    log.write_text("ggml_metal_device_init: recommendedMaxWorkingSetSize  = 19069.67 MB\n")
    told = mac(log=[log]).read()
    assert (told.gpu_limit, told.gpu_limit_source) == (19_069_670_000, "Ollama's log")


@pytest.mark.parametrize("kernel", [True, False])
def test_where_the_kernel_cannot_be_asked_vm_stat_is_run(kernel, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=24 * GIB))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=2, used=1))
    failing = Kernel(FakeLibSystem(M4_24G, {}, code=5)) if kernel else None
    told = MacMemory(failing, metal=MetalLog([]), vm_stat=lambda: M4_24G + "Pages new: 3.\n").read()
    assert told == reading(
        M4_24G, source="vm_stat", hw_memsize=24 * GIB, swap_total=2, swap_used=1, unknown=("Pages new: 3.",)
    )


def test_vm_stat_that_is_not_there_or_hangs_prints_nothing(monkeypatch):
    def absent(*args, **kwargs):
        raise FileNotFoundError

    def hanging(*args, **kwargs):
        raise subprocess.TimeoutExpired("vm_stat", 5)

    for failing in (absent, hanging):
        monkeypatch.setattr(subprocess, "run", failing)
        assert run_vm_stat() == ""


def test_vm_stats_output_is_its_standard_output(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: SimpleNamespace(stdout=M4_24G))
    assert run_vm_stat() == M4_24G


@pytest.mark.parametrize(("available", "pressure"), [(50, "normal"), (9, "warning"), (4, "critical")])
def test_off_the_mac_pressure_is_the_share_that_is_available(available, pressure, monkeypatch):
    told = SimpleNamespace(total=100, available=available, free=1)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: told)
    assert PsutilMemory().read().pressure == pressure


def test_this_machines_memory_can_be_read():
    told = machine_memory().read()
    assert told.total == psutil.virtual_memory().total
    assert 0 < told.free_now <= told.total


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has libSystem")
def test_a_mac_without_libsystem_falls_back_to_vm_stat():
    assert isinstance(machine_memory("darwin"), MacMemory)
    assert isinstance(machine_memory("linux"), PsutilMemory)


def test_a_mac_asks_its_kernel(monkeypatch):
    monkeypatch.setattr(memory, "Kernel", lambda: Kernel(FakeLibSystem(M4_24G, SYSCTLS)))
    assert machine_memory("darwin").read().source == "host_statistics64"


def test_metals_own_word_counts_before_ollamas_log(tmp_path):
    log = tmp_path / "server.log"
    log.write_text("ggml_metal_device_init: recommendedMaxWorkingSetSize  = 19069.67 MB\n")
    kernel = Kernel(FakeLibSystem(M4_24G, SYSCTLS))
    asked = []
    device = SimpleNamespace(limit=lambda override: asked.append(override) or 18 * GIB)
    told = MacMemory(kernel, metal=MetalLog([log]), device=device).read()
    assert (told.gpu_limit, told.gpu_limit_source, asked) == (18 * GIB, "Metal", [0])
    silent = SimpleNamespace(limit=lambda _override: None)
    assert MacMemory(kernel, metal=MetalLog([log]), device=silent).read().gpu_limit_source == "Ollama's log"
