from itertools import islice

from innkeepd.service.clock import SystemClock, back_off, until
from support.service import CountingClock


def test_waits_double_up_to_a_limit():
    assert list(islice(back_off(0.25, 1.0), 4)) == [0.25, 0.5, 1.0, 1.0]


def test_what_has_happened_already_is_not_waited_for():
    clock = CountingClock()
    assert until(clock, 0.0, lambda: True)
    assert clock.slept == 0


def test_what_never_happens_is_given_up_after_the_limit():
    clock = CountingClock()
    assert not until(clock, 5.0, lambda: False)
    assert 5.0 <= clock.slept < 7.0


def test_the_real_clock_goes_on():
    clock = SystemClock()
    before = clock.now()
    clock.sleep(0.0)
    assert clock.now() >= before
