import pytest

from innkeepd.policy.memory.budget import GIB
from innkeepd.policy.memory.reading import Reading
from innkeepd.service.checks_memory import check_metal, check_pressure
from support.doctor import facts_of, reading_of


def test_metals_limit_is_told_with_its_source():
    finding = check_metal(facts_of())
    assert (finding.level, finding.saw.split(" (")[0]) == ("ok", "27.0 GiB of 36.0 GiB")


def test_a_limit_that_leaves_macos_nothing_is_told():
    finding = check_metal(facts_of(reading=reading_of(wired_limit_mb=35 * 1024)))
    assert (finding.level, finding.mend) == ("warning", "sudo sysctl iogpu.wired_limit_mb=0")
    assert check_metal(facts_of(reading=reading_of(wired_limit_mb=30 * 1024))).level == "ok"


def test_a_machine_without_metal_or_without_a_reading_is_told():
    linux = Reading(platform="linux", total=64 * GIB, available=50 * GIB, pressure_level=1)
    assert "no Metal here" in check_metal(facts_of(reading=linux)).saw
    assert check_metal(facts_of(reading=None)).level == "warning"
    assert check_pressure(facts_of(reading=None)).level == "ok"


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        ({}, "ok"),
        ({"pressure_level": 2}, "warning"),
        ({"pressure_level": 4}, "error"),
        ({"swap_used": 12 * GIB}, "warning"),
        ({"swap_used": 2 * GIB}, "ok"),
    ],
)
def test_pressure_and_swap_are_judged_now(changed, level: str):
    finding = check_pressure(facts_of(reading=reading_of(**changed)))
    assert finding.level == level
    assert "free as Ollama counts it" in finding.saw
