import pytest

from innkeepd.policy.memory.budget import MemoryPolicy, budget_of, gib, metal_default
from innkeepd.policy.memory.reading import Reading

GIB = 2**30


def mac(gibibytes, **fields):
    return Reading(total=gibibytes * GIB, **fields)


@pytest.mark.parametrize(
    ("total", "budget"),
    [(8, "4.0"), (16, "10.7"), (24, "16.0"), (32, "21.3"), (36, "27.0"), (48, "36.0"), (64, "48.0"), (128, "96.0")],
)
def test_the_budget_by_size_of_the_mac(total, budget):
    assert f"{budget} GiB" == gib(budget_of(mac(total)).bytes)


def test_metals_default_is_what_older_macs_logged():
    """Ollama's logs: 11453.25 MB on 16 GB, 28991.03 MB on 36 GB, 51539.61 MB on 64 GB."""
    logged = {16: 11453.25, 36: 28991.03, 64: 51539.61}
    assert logged == {size: round(metal_default(size * GIB) / 1e6, 2) for size in logged}


def test_metals_limit_comes_from_the_kernel_then_the_config_then_the_log_then_the_fraction():
    reported = mac(36, wired_limit_mb=30000, gpu_limit=28 * GIB, gpu_limit_source="Ollama's log")
    config = MemoryPolicy(gpu_limit=26 * GIB)
    kernel = budget_of(reported, config)
    assert (kernel.gpu_limit, kernel.gpu_limit_source) == (30000 * 2**20, "iogpu.wired_limit_mb")
    unset = mac(36, wired_limit_mb=0, gpu_limit=28 * GIB, gpu_limit_source="Ollama's log")
    assert (budget_of(unset, config).bytes, budget_of(unset, config).gpu_limit_source) == (26 * GIB, "memory.gpu_limit")
    assert (budget_of(unset).bytes, budget_of(unset).gpu_limit_source) == (28 * GIB, "Ollama's log")
    assert (budget_of(mac(36)).bytes, "3/4" in budget_of(mac(36)).gpu_limit_source) == (27 * GIB, True)


def test_the_reserve_stands_over_a_generous_metal_limit():
    greedy = budget_of(mac(36, wired_limit_mb=36 * 1024))
    assert greedy.bytes == 32 * GIB
    assert budget_of(mac(36), MemoryPolicy(reserve=16 * GIB)).bytes == 20 * GIB


def test_a_small_machine_keeps_half_instead_of_the_whole_reserve():
    assert budget_of(mac(2)).bytes == 1 * GIB


def test_off_the_mac_it_is_three_quarters_of_memory_and_there_is_no_metal():
    linux = budget_of(Reading(platform="linux", total=32 * GIB))
    assert (linux.bytes, linux.gpu_limit) == (24 * GIB, None)
    assert "there being no Metal" in linux.arithmetic[1]


def test_a_configured_budget_wins_and_says_when_metal_will_refuse_it():
    small = budget_of(mac(36), MemoryPolicy(budget=20 * GIB))
    assert (small.bytes, small.gpu_limit) == (20 * GIB, 27 * GIB)
    assert small.arithmetic[-1] == "budget: 20.0 GiB (memory.budget)"
    assert "over Metal's limit of 27.0 GiB" in budget_of(mac(36), MemoryPolicy(budget=30 * GIB)).arithmetic[-1]


def test_without_any_size_of_memory_only_a_configured_budget_is_one():
    assert budget_of(Reading()) is None
    assert budget_of(Reading(), MemoryPolicy(budget=5 * GIB)).bytes == 5 * GIB


def test_a_total_that_had_to_be_added_up_is_called_so():
    added = budget_of(Reading(active=10 * GIB, inactive=10 * GIB, wired=10 * GIB, free=6 * GIB))
    assert added.arithmetic[0] == "memory: 36.0 GiB, as the kernel's queues add up"


def test_the_arithmetic_can_be_added_up_by_a_reader():
    assert budget_of(mac(36)).arithmetic == (
        "memory: 36.0 GiB",
        "Metal's limit: 27.0 GiB (3/4 of memory, what macOS 15 and older grant)",
        "memory less the reserve: 36.0 GiB - 4.0 GiB = 32.0 GiB",
        "budget: the smaller of 27.0 GiB and 32.0 GiB = 27.0 GiB",
    )


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0.0 GiB"), (27 * GIB, "27.0 GiB"), (379 * 2**20, "0.4 GiB"), (63 * 2**20, "63.0 MiB")]
)
def test_bytes_for_people(size, words):
    assert words == gib(size)
