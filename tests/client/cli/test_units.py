import time

import pytest

from innkeep.cli import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0 s"),
        (7.04, "7.0 s"),
        (9.96, "10 s"),
        (119.0, "119 s"),
        (286.0, "5 min"),
        (7199.0, "2 h"),
        (7830.0, "2 h 10 min"),
        (180_000.0, "2 d 2 h"),
        (172_800.0, "2 d"),
    ],
)
def test_durations_are_told_as_people_say_them(value, text):
    assert text == units.seconds(value)


def test_sizes_are_told_in_gib_with_one_decimal():
    assert units.gib(27 * 2**30) == "27.0 GiB"


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (112, "112th")]
)
def test_places_in_line_are_ordinals(number, text):
    assert text == units.ordinal(number)


def test_counting_puts_the_noun_into_the_plural():
    assert (units.counted(1, "swap"), units.counted(0, "swap")) == ("1 swap", "0 swaps")


def test_a_clock_of_another_day_has_its_date():
    assert units.clock(86400.0).startswith("1970-01-0")
    assert len(units.clock(time.time())) == len("14:03:07")


def test_whole_seconds_never_run_below_zero():
    assert (units.whole_seconds(-1.0), units.whole_seconds(7.4)) == ("0 s", "7 s")
