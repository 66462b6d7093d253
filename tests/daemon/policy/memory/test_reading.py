import re

import pytest

from innkeepd.policy.memory.reading import (
    Reading,
    activity_monitor_used,
    formulas,
    least_total,
    mac_reading,
    memory_pressure_percent,
    ollama_free,
    psutil_available,
    queues,
)
from support.macos import M4_24G, VM_STATS, reading, text

GIB = 2**30
BUSY = "vm_stat_arm64_32g_macmini_busy.txt"
IDLE = "vm_stat_arm64_32g_macmini_idle.txt"
OLD = "vm_stat_intel_pre_10_9_ohai.txt"
TRIMMED = "vm_stat_arm64_8g_macos26_trimmed.txt"


def test_ollamas_free_is_reproduced_on_the_busy_mac_mini():
    """Total - (active + inactive + speculative + wired + occupied - purgeable - file-backed)."""
    pages = 2097152 - (690385 + 688784 + 879 + 420751 + 257278) + 18868 + 377504
    assert pages * 16384 == ollama_free(reading(BUSY))
    assert f"{pages * 16384 / GIB:.2f}" == "6.64"


def test_ollamas_free_is_never_negative():
    assert ollama_free(reading(BUSY, hw_memsize=8 * GIB)) == 0


def test_activity_monitors_used_is_reproduced_on_the_busy_mac_mini():
    assert activity_monitor_used(reading(BUSY)) == (1002544 - 18868 + 420751 + 257278) * 16384
    assert f"{activity_monitor_used(reading(BUSY)) / GIB:.2f}" == "25.36"


def test_activity_monitors_used_on_24_gb_is_the_sum_of_the_parts_that_it_showed():
    parts = reading(M4_24G)
    assert activity_monitor_used(parts) == (346597 - 2 + 229773 + 720838) * 16384


def test_psutils_available_is_reproduced_on_the_busy_mac_mini():
    assert psutil_available(reading(BUSY)) == (688784 + 4410 + 879) * 16384
    assert f"{reading(BUSY).available / GIB:.2f}" == "10.59"


@pytest.mark.parametrize(
    ("vm_stat", "recorded"),
    [(BUSY, "memory_pressure_arm64_32g_macmini_busy.txt"), (IDLE, "memory_pressure_arm64_32g_macmini_idle.txt")],
)
def test_the_percent_is_what_memory_pressure_printed_at_the_same_time(vm_stat, recorded):
    said = re.search(r"free percentage: (\d+)%", text(recorded))
    assert int(said[1]) == memory_pressure_percent(reading(vm_stat))


def test_the_percent_is_the_memorystatus_level_of_the_24_gb_mac():
    assert "kern.memorystatus_level: 37" in text("sysctl_m4_24g_macos26_5_warn.txt")
    assert memory_pressure_percent(reading(M4_24G)) == 37


def test_the_percent_of_the_swapping_16_gb_mac_is_the_50_that_its_tool_printed():
    printed = dict(re.findall(r"Pages ([a-z ]+): (\d+)", text("memory_pressure_head_arm64_16g_swapping.txt")))
    page = {name: int(count) * 16384 for name, count in printed.items()}
    swapping = Reading(
        free=page["free"],
        active=page["active"],
        inactive=page["inactive"],
        speculative=page["speculative"],
        wired=page["wired down"],
        compressor_occupied=page["used by compressor"],
    )
    assert memory_pressure_percent(swapping) == 50


def test_no_percent_of_an_empty_machine():
    nothing = Reading(free=0, active=0, inactive=0, speculative=0, wired=0, compressor_occupied=0)
    assert memory_pressure_percent(nothing) is None


@pytest.mark.parametrize("vm_stat", VM_STATS)
def test_the_invariant_holds_in_every_recording(vm_stat):
    assert reading(vm_stat).warnings == ()


@pytest.mark.parametrize("vm_stat", [name for name in VM_STATS if name not in {OLD, TRIMMED}])
def test_the_recordings_with_all_lines_have_both_sides_of_the_invariant(vm_stat):
    reported = reading(vm_stat)
    assert reported.active + reported.inactive + reported.speculative == reported.file_backed + reported.anonymous


def test_a_misread_line_is_a_warning_in_the_reading():
    wrong = mac_reading({"active": 3, "inactive": 2, "speculative": 1, "file_backed": 3, "anonymous": 4})
    assert "is 6 bytes, file-backed + anonymous 7" in wrong.warnings[0]


def test_formulas_without_their_lines_are_none():
    reported = [name for name, value in formulas(reading(TRIMMED)).items() if value is not None]
    assert reported == ["activity_monitor_used"]
    assert activity_monitor_used(reading(OLD)) is None
    assert ollama_free(reading(BUSY, hw_memsize=None)) is None


def test_all_memory_of_an_intel_mac_is_in_its_queues():
    assert f"{queues(reading('vm_stat_intel_32g_facter.txt')) / GIB:.2f}" == "32.00"


def test_the_least_total_is_the_known_one_or_what_the_queues_add_up_to():
    assert least_total(reading(TRIMMED)) == 8 * GIB
    assert f"{least_total(reading(TRIMMED, hw_memsize=None)) / GIB:.1f}" == "7.5"
    assert least_total(Reading(active=1, wired=2)) is None


@pytest.mark.parametrize(
    ("level", "word"), [(0, "normal"), (1, "normal"), (2, "warning"), (3, "warning"), (4, "critical")]
)
def test_the_kernels_level_in_words(level, word):
    assert word == Reading(pressure_level=level).pressure


def test_pressure_is_computed_by_the_kernels_thresholds_where_it_told_none():
    """The 24 GB Mac said level 2; the other two said nothing and had room."""
    assert reading(M4_24G).pressure == "warning"
    assert reading(BUSY).pressure == "normal"
    assert Reading().pressure == "normal"
    assert Reading(free=1, active=1, inactive=1).pressure == "normal"
    assert Reading(free=0, active=10, inactive=10, compressor_occupied=80).pressure == "critical"


def test_free_now_is_ollamas_formula_on_a_mac_and_the_available_memory_elsewhere():
    assert ollama_free(reading(BUSY)) == reading(BUSY).free_now
    assert Reading(platform="linux", available=5).free_now == 5
    assert formulas(Reading(platform="linux", available=5))["psutil_available"] == 5
