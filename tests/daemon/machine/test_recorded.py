import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from innkeepd.machine.recorded import RecordedMemory, RecordingError, SimulatedMemory
from innkeepd.service.bug_report import recordings, report
from support.doctor import facts_of
from support.macos import GIB, M4_24G, VM_STATS, text


def folder(path, vm_stat=None, sysctl=None):
    for name, content in (("vm_stat.txt", vm_stat), ("sysctl.txt", sysctl)):
        if content is not None:
            (path / name).write_text(content)
    return path


def test_the_24_gb_mac_as_it_was_recorded(tmp_path):
    told = RecordedMemory(folder(tmp_path, M4_24G, text("sysctl_m4_24g_macos26_5_warn.txt"))).read()
    assert (told.total, told.hw_memsize, told.page_size) == (24 * GIB, 24 * GIB, 16384)
    assert (told.pressure, told.pressure_level, told.memorystatus_level) == ("warning", 2, 37)
    assert (told.swap_total, told.swap_used) == (16 * GIB, round(15348.81 * 2**20))
    assert told.swapouts == 72505814 * 16384
    assert (told.source, told.unknown) == ("recording", ())


@pytest.mark.parametrize("name", VM_STATS)
def test_every_recording_is_read_with_or_without_sysctls(name, tmp_path):
    assert RecordedMemory(folder(tmp_path, text(name))).read().wired > 0


def test_sysctls_alone_tell_the_total_and_the_override(tmp_path):
    told = RecordedMemory(folder(tmp_path, sysctl=text("sysctl_iogpu_m1_8g_macos26_3.txt"))).read()
    assert (told.total, told.wired_limit_mb, told.free) == (8 * GIB, 0, None)


def test_the_page_size_may_come_from_sysctl(tmp_path):
    headless = RecordedMemory(folder(tmp_path, "Pages free: 2.\n", "hw.pagesize: 4096\n")).read()
    assert (headless.free, headless.page_size) == (8192, 4096)


def test_values_that_are_no_numbers_are_none(tmp_path):
    told = RecordedMemory(
        folder(tmp_path, sysctl="hw.memsize: much\nvm.swapusage: none\nhw.pagesize: ²\nhello\n")
    ).read()
    assert (told.total, told.swap_used, told.page_size, told.unknown) == (None, None, None, ("hello",))


def test_numbers_that_no_machine_holds_are_none(tmp_path):
    told = RecordedMemory(
        folder(
            tmp_path, f"Pages free: {'9' * 5000}.\nPages active: 1.\n", f"hw.memsize: {'9' * 5000}\nhw.pagesize: 4096"
        )
    ).read()
    assert (told.total, told.free, told.active, len(told.unknown)) == (None, None, 4096, 1)


def test_a_byte_order_mark_costs_no_line(tmp_path):
    assert RecordedMemory(folder(tmp_path, sysctl="\ufeffhw.memsize: 38654705664\n")).read().total == 36 * GIB


def test_a_folder_without_a_recording_is_one_clear_line(tmp_path):
    with pytest.raises(RecordingError, match=r"holds neither vm_stat\.txt nor sysctl\.txt; make them with"):
        RecordedMemory(tmp_path)
    with pytest.raises(RecordingError, match="wants a folder"):
        RecordedMemory(tmp_path / "absent")


def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path):
    (tmp_path / "vm_stat.txt").mkdir()
    with pytest.raises(RecordingError, match=r"vm_stat.txt can't be read: .*irectory"):
        RecordedMemory(tmp_path)


def test_a_simulated_machine_stands_behind_the_same_door_and_says_so():
    numbers = SimpleNamespace(
        total=36 * GIB, page_size=16384, free=1, active=2, inactive=3, speculative=4, wired=5, purgeable=6,
        file_backed=4, anonymous=5, stored=7, occupied=8, swap_used=9, pressure=4, memorystatus_level=50,
        wired_limit_mb=0,
    )  # fmt: skip
    told = SimulatedMemory(SimpleNamespace(metal=27 * GIB, numbers=lambda: numbers)).read()
    assert (told.source, told.pressure, told.gpu_limit) == ("simulated", "critical", 27 * GIB)
    assert (told.compressor_stored, told.compressor_occupied, told.hw_memsize) == (7, 8, 36 * GIB)
    assert (told.available, told.warnings) == (8, ())


def test_a_report_of_the_doctor_is_a_recording(tmp_path):
    """A user's Mac prints its own texts into the report, from which they are read as from a folder."""
    printed = {
        "vm_stat": M4_24G,
        "sysctl kern": text("sysctl_m4_24g_macos26_5_warn.txt"),
        "memory_pressure": "# there is no `memory_pressure` on this machine",
    }

    def run(command):
        told = next((out for name, out in printed.items() if " ".join(command).startswith(name)), None)
        return subprocess.CompletedProcess(command, 1 if told is None else 0, told or "", "")

    report_file = tmp_path / "report.txt"
    report_file.write_text(
        report(facts_of(), [], version="0.1.0", user_home=Path("/Users/you"), logs=[], recorded=recordings(run))
    )
    told = RecordedMemory(report_file).read()
    assert told == RecordedMemory(folder(tmp_path, M4_24G, text("sysctl_m4_24g_macos26_5_warn.txt"))).read()
    assert (told.total, told.pressure) == (24 * GIB, "warning")


def test_what_a_script_recorded_in_several_files_is_one_recording(tmp_path):
    (tmp_path / "sysctl_memory.txt").write_text("hw.memsize: 17179869184\n")
    (tmp_path / "sysctl_iogpu.txt").write_text("iogpu.wired_limit_mb: 12000\n")
    told = RecordedMemory(tmp_path).read()
    assert (told.total, told.wired_limit_mb) == (16 * GIB, 12000)


def test_a_file_that_is_no_report_and_one_that_is_not_there_are_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear innkeep\n== config ==\n")
    for name, text_of in (("letter.txt", "is no report"), ("none.txt", "there is no")):
        with pytest.raises(RecordingError, match=text_of):
            RecordedMemory(tmp_path / name)
