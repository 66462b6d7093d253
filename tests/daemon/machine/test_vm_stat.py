import pytest

from innkeepd.machine.vm_stat import QUANTITIES, parse_swap, parse_sysctl, parse_vm_stat
from support.macos import GIB, VM_STATS, text

M5 = "vm_stat_arm64_m5_macos26_memtag_before.txt"
OLD = "vm_stat_intel_pre_10_9_ohai.txt"
STRANGE = {M5: 11, OLD: 1}


@pytest.mark.parametrize("name", VM_STATS)
def test_every_recording_parses_and_keeps_the_lines_that_it_does_not_know(name):
    stat = parse_vm_stat(text(name))
    assert stat.page_size == (4096 if "intel" in name else 16384)
    assert {"Pages free", "Pages active", "Pages inactive", "Pages wired down"} <= stat.pages.keys()
    assert len(stat.unknown) == STRANGE.get(name, 0)


@pytest.mark.parametrize("name", [name for name in VM_STATS if name != OLD and "trimmed" not in name])
def test_a_whole_recording_fills_every_quantity(name):
    assert parse_vm_stat(text(name)).quantities().keys() == set(QUANTITIES.values())


def test_labels_are_compared_whole_so_that_tag_storage_is_no_free_memory():
    stat = parse_vm_stat(text(M5))
    assert stat.quantities()["free"] == 718963 * 16384
    assert stat.pages["Pages tag-storage free"] == 6490
    assert "Bytes of compressed tags:                    6977600." in stat.unknown


def test_macos_26s_wide_columns_and_the_quoted_label_are_read():
    stat = parse_vm_stat(text("vm_stat_arm64_16g_macos26_5.txt"))
    assert (stat.pages["Pages free"], stat.pages["Translation faults"]) == (129780, 148621725)


def test_quantities_are_bytes_of_the_headers_page_size_and_missing_ones_are_absent():
    quantities = parse_vm_stat(text(OLD)).quantities()
    assert quantities["free"] == 2155305 * 4096
    assert "compressor_occupied" not in quantities


def test_without_a_header_the_page_size_must_come_from_elsewhere():
    stat = parse_vm_stat("Pages free: 10.\nPages active:  5.\r\n")
    assert stat.quantities() == {}
    assert stat.quantities(4096) == {"free": 40960, "active": 20480}


def test_garbage_is_kept_and_harms_nothing():
    stat = parse_vm_stat("\x00\xff\n\nPages free: lots.\nPages free 7\n")
    assert (stat.pages, len(stat.unknown)) == ({}, 3)


def test_sysctl_lines_with_colon_or_equals_sign_and_comments():
    values, unknown = parse_sysctl(text("sysctl_iogpu_m1_8g_macos26_3.txt"))
    assert (values["hw.memsize"], values["iogpu.wired_limit_mb"], unknown) == ("8589934592", "0", ())


def test_the_last_of_two_samples_counts_and_headings_are_kept():
    values, unknown = parse_sysctl(text("sysctl_pair_warn_stuck.txt"))
    assert values["vm.memory_pressure"] == "449"
    assert len(unknown) == 2


@pytest.mark.parametrize(
    ("written", "total", "used"),
    [
        ("total = 16384.00M  used = 15348.81M  free = 1035.19M  (encrypted)", 16 * GIB, 15348.81 * 2**20),
        ("total = 0.00M  used = 0.00M  free = 0.00M", 0, 0),
        ("total = 2,00G  used = 512,00K  free = 1,99G  (encrypted)", 2 * GIB, 512 * 1024),
        ("total = 1.00T  used = 1.00G  free = 1023.00G", 1024 * GIB, GIB),
    ],
)
def test_swap_usage_in_every_unit_and_locale(written, total, used):
    assert parse_swap(written) == (total, round(used))


def test_swap_usage_of_another_form_is_none():
    assert parse_swap("16 GB") is None
