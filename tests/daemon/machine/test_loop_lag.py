import asyncio

from innkeepd.machine.loop_lag import WINDOW, LagMeter, MeteredLoop, loop_lag


def test_the_99th_percentile_leaves_out_what_is_rare_and_the_longest_does_not():
    meter = LagMeter()
    for number in range(1000):
        meter.note(0.001 if number % 50 else 0.004, 1.0)
    meter.note(7.0, 1.0)
    seen = meter.read()
    assert 0.004 <= seen.p99 <= 0.005
    assert seen.longest == 7.0


def test_before_anything_was_measured_all_is_zero_and_beyond_the_bounds_the_longest_counts():
    meter = LagMeter()
    assert (meter.read().p99, meter.read().longest) == (0.0, 0.0)
    meter.note(500.0, 1.0)
    assert (meter.read().p99, meter.read().longest) == (500.0, 500.0)


def test_what_is_older_than_two_windows_is_forgotten():
    meter = LagMeter()
    meter.note(1.0, 0.0)
    meter.note(0.001, WINDOW)
    assert meter.read().longest == 1.0, "the window before still counts"
    meter.note(0.001, 2 * WINDOW)
    assert meter.read().longest == 0.001
    meter.note(0.002, 9 * WINDOW)
    assert meter.read().longest == 0.002, "after a long sleep neither window counts"


def test_a_metered_loop_counts_its_turns_and_others_tell_nothing():
    assert loop_lag() is None

    async def turn():
        before = sum(asyncio.get_running_loop().meter._counts)
        for _ in range(10):
            await asyncio.sleep(0)
        return loop_lag(), sum(asyncio.get_running_loop().meter._counts) - before

    with asyncio.Runner(loop_factory=MeteredLoop) as runner:
        seen, turns = runner.run(turn())
    assert turns >= 10
    assert 0 < seen.p99 <= seen.longest

    async def unmetered():
        return loop_lag()

    assert asyncio.run(unmetered()) is None
