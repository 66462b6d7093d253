from hypothesis import given
from hypothesis import strategies as st

from innkeepd.policy.memory.pressure import PressureGauge, sample_every
from innkeepd.policy.memory.reading import PRESSURES


def test_pressure_rises_at_once():
    gauge = PressureGauge(hold=30)
    assert [gauge.feed(level, now) for now, level in enumerate(PRESSURES)] == ["normal", "warning", "critical"]


def test_pressure_falls_only_after_the_better_level_held():
    gauge = PressureGauge(hold=30)
    gauge.feed("critical", 0)
    seen = [gauge.feed("normal", now) for now in (10, 20, 39.9, 40)]
    assert seen == ["critical", "critical", "critical", "normal"]


def test_a_relapse_starts_the_wait_anew():
    gauge = PressureGauge(hold=30)
    for level, now in (("warning", 0), ("normal", 10), ("warning", 35), ("normal", 36)):
        gauge.feed(level, now)
    assert gauge.feed("normal", 65) == "warning"
    assert gauge.feed("normal", 66) == "normal"


def test_pressure_falls_to_the_worst_level_seen_while_it_waited():
    gauge = PressureGauge(hold=30)
    for level, now in (("critical", 0), ("normal", 10), ("warning", 20)):
        gauge.feed(level, now)
    assert gauge.feed("normal", 40) == "warning"
    assert gauge.feed("normal", 69) == "warning"
    assert gauge.feed("normal", 70) == "normal"


def test_falling_to_a_level_that_is_still_seen_begins_no_new_wait():
    gauge = PressureGauge(hold=30)
    for level, now in (("critical", 0), ("warning", 1), ("warning", 31)):
        gauge.feed(level, now)
    assert repr(gauge) == "<PressureGauge warning>"


def test_the_repr_tells_the_better_level_that_has_to_hold():
    gauge = PressureGauge()
    gauge.feed("warning", 0)
    gauge.feed("normal", 2)
    assert repr(gauge) == "<PressureGauge warning, normal since 2.0>"
    assert gauge.level == "warning"


@given(st.lists(st.tuples(st.sampled_from(PRESSURES), st.floats(0.1, 40)), max_size=60))
def test_the_gauge_is_never_below_the_reading_and_never_falls_twice_within_the_hold(readings):
    gauge, now, fell = PressureGauge(hold=30), 0.0, None
    before = 0
    for level, pause in readings:
        now += pause
        after = PRESSURES.index(gauge.feed(level, now))
        assert after >= PRESSURES.index(level)
        if after < before:
            assert fell is None or now - fell >= 30
            fell = now
        before = after


def test_memory_is_read_often_around_a_load_and_hardly_ever_in_an_empty_house():
    assert sample_every(changing=True, resident=True, connected=True) == 1
    assert sample_every(changing=False, resident=False, connected=False, pressure="warning") == 5
    assert sample_every(changing=False, resident=True, connected=False) == 10
    assert sample_every(changing=False, resident=False, connected=False) >= 10


def test_a_warning_that_stays_for_days_asks_for_nothing_after_its_first_minutes():
    """As recorded on a 24 GB Mac: warning, 38 %, and not one page swapped (sysctl_pair_warn_stuck.txt)."""
    gauge = PressureGauge()
    acted = [(gauge.feed("warning", now, 38 + now % 2, 10 * 2**30), gauge.acted)[1] for now in range(0, 3600, 10)]
    assert acted[:18] == ["warning"] * 18
    assert set(acted[18:]) == {"normal"}
    assert gauge.level == "warning", "status goes on saying so"


def test_a_stuck_warning_counts_again_when_it_worsens_and_critical_counts_always():
    gauge = PressureGauge()
    for now in (0, 200):
        gauge.feed("warning", now, 38, 0)
    assert gauge.acted == "normal"
    gauge.feed("warning", 210, 35, 0)
    assert gauge.acted == "warning"
    gauge.feed("warning", 400, 35, 0)
    assert gauge.acted == "normal"
    gauge.feed("warning", 410, 35, 300 * 2**20)
    assert gauge.acted == "warning"
    gauge.feed("critical", 700, 20, 300 * 2**20)
    assert gauge.acted == "critical"


def test_a_warning_after_a_time_of_none_is_a_new_one():
    gauge = PressureGauge(hold=30)
    for level, now in (("warning", 0), ("warning", 200), ("normal", 210), ("normal", 241)):
        gauge.feed(level, now, 38, 0)
    assert (gauge.level, gauge.acted) == ("normal", "normal")
    gauge.feed("warning", 300, 38, 0)
    assert gauge.acted == "warning"


def test_where_the_kernel_tells_neither_a_warning_always_counts():
    gauge = PressureGauge()
    for now in (0, 10_000):
        gauge.feed("warning", now)
    assert gauge.acted == "warning"


def test_one_of_the_two_is_enough():
    for available, swapped in ((38, None), (None, 7)):
        gauge = PressureGauge()
        for now in (0, 200):
            gauge.feed("warning", now, available, swapped)
        assert gauge.acted == "normal"
