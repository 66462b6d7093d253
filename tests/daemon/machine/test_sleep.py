import time

import pytest

from innkeepd.machine.sleep import Instant, SleepWatch, slept, this_instant


@pytest.mark.parametrize(
    ("wall", "mono", "asleep"),
    [(10, 10, 0), (14, 10, 0), (15, 10, 5), (8 * 3600 + 60, 60, 8 * 3600), (-3600, 10, 0)],
    ids=["awake", "a busy machine", "a nap", "a night", "the wall clock was set back"],
)
def test_slept_is_what_the_wall_is_ahead_of_the_monotonic_clock(wall, mono, asleep):
    assert slept(Instant(1000.0 + wall, 50.0 + mono), Instant(1000.0, 50.0)) == asleep


def test_the_watch_tells_each_sleep_once():
    instants = iter([Instant(0, 0), Instant(5, 5), Instant(605, 6), Instant(606, 7)])
    watch = SleepWatch(lambda: next(instants))
    assert [watch.slept() for _ in range(3)] == [0, 599, 0]


def test_this_machine_does_not_sleep_between_two_looks():
    assert SleepWatch().slept() == 0
    assert this_instant().mono > 0


def test_macs_clocks_are_the_one_that_goes_on_and_the_one_that_stops(monkeypatch):
    """CLOCK_MONOTONIC_RAW goes on in sleep on macOS, CLOCK_UPTIME_RAW stops; Linux has other numbers for both."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr(time, "CLOCK_UPTIME_RAW", 8, raising=False)
    monkeypatch.setattr(time, "CLOCK_MONOTONIC_RAW", 4, raising=False)
    monkeypatch.setattr(time, "clock_gettime", {4: 900.0, 8: 100.0}.__getitem__)
    assert this_instant() == Instant(900.0, 100.0)


def test_a_system_without_such_clocks_has_the_wall_clock(monkeypatch):
    for name in ("CLOCK_BOOTTIME", "CLOCK_UPTIME_RAW"):
        monkeypatch.delattr(time, name, raising=False)
    monkeypatch.setattr(time, "time", lambda: 7.0)
    monkeypatch.setattr(time, "monotonic", lambda: 3.0)
    assert this_instant() == Instant(7.0, 3.0)
