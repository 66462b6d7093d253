import pytest

from innkeepd.simulator.machine import FIRMWARE, GIB, Machine


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def machine(clock):
    return Machine(clock=clock)


@pytest.mark.parametrize("held", [0, 5 * GIB, 21 * GIB, 27 * GIB, 31 * GIB, 40 * GIB])
def test_queues_add_up_as_on_a_mac(machine, held):
    machine.take("a", held, 0.0)
    seen = machine.numbers()
    assert seen.active + seen.inactive + seen.speculative == seen.file_backed + seen.anonymous
    six = seen.free + seen.active + seen.inactive + seen.speculative + seen.wired + seen.occupied
    if held <= 27 * GIB:
        assert six == pytest.approx(machine.total - FIRMWARE, abs=machine.page_size * 6)
    assert all(value % machine.page_size == 0 for value in (seen.active, seen.inactive, seen.wired, seen.anonymous))
    assert min(seen.free, seen.active, seen.inactive, seen.speculative, seen.file_backed, seen.anonymous) >= 0


def test_ollamas_formula_over_the_numbers_is_what_ollama_is_told(machine):
    machine.take("a", 20 * GIB, 0.0)
    seen = machine.numbers()
    used = seen.active + seen.inactive + seen.speculative + seen.wired + seen.occupied
    assert seen.total - (used - seen.purgeable - seen.file_backed) == pytest.approx(machine.system_free(), abs=2**20)


def test_a_load_rises_and_a_leave_falls(machine, clock):
    machine.take("a", 10 * GIB, 10.0)
    clock.now = 5.0
    assert machine.runner_bytes() == 5 * GIB
    clock.now = 20.0
    machine.give_back("a", 1.0)
    clock.now = 20.5
    assert machine.runner_bytes() == 5 * GIB
    clock.now = 21.0
    assert machine.runner_bytes() == 0
    machine.give_back("a", 1.0)
    assert machine.runner_bytes() == 0


def test_the_peak_counts_what_is_on_its_way_back(machine, clock):
    machine.take("a", 10 * GIB, 0.0)
    machine.give_back("a", 1.0)
    clock.now = 0.5
    machine.take("b", 10 * GIB, 5.0)
    assert machine.peak == 15 * GIB


def test_pressure_rises_with_what_is_held_and_can_be_ordered(machine):
    levels = []
    for step in (0, 21, 29, 34):
        machine.take("a", step * GIB, 0.0)
        levels.append(machine.pressure)
    assert levels == [1, 1, 2, 4]
    assert machine.swap_used > 0
    machine.pressure_level = 1
    assert machine.pressure == 1


def test_other_apps_take_memory_too(machine):
    before = machine.system_free()
    machine.others += 8 * GIB
    assert before - machine.system_free() == 8 * GIB


def test_each_number_can_be_asked_alone(machine):
    seen = machine.numbers()
    for name in (
        "free",
        "active",
        "inactive",
        "speculative",
        "wired",
        "purgeable",
        "file_backed",
        "anonymous",
        "stored",
    ):
        assert getattr(machine, name) == getattr(seen, name)
    assert (machine.occupied, machine.memorystatus_level) == (seen.occupied, seen.memorystatus_level)
    assert machine.stored > machine.occupied
    assert 80 < machine.memorystatus_level <= 100
