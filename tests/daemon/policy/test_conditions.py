"""Rules of use: what each condition means, and how hours are read."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.policy.conditions import DAY, Conditions, Rule, read_hours, spell_hours

NIGHT = read_hours("22:00-07:00")
WORK = read_hours("09:00-17:30")


def rule(**said) -> Rule:
    return Rule(name="r", then="hold", **said)


@pytest.mark.parametrize(
    ("said", "at", "holds"),
    [
        ({"hours": WORK}, (9 * 60, 0), True),
        ({"hours": WORK}, (17 * 60 + 29, 0), True),
        ({"hours": WORK}, (17 * 60 + 30, 0), False),
        ({"hours": WORK}, (8 * 60 + 59, 0), False),
        ({"hours": NIGHT}, (23 * 60, 0), True),
        ({"hours": NIGHT}, (6 * 60 + 59, 0), True),
        ({"hours": NIGHT}, (7 * 60, 0), False),
        ({"hours": NIGHT, "days": (4,)}, (23 * 60, 4), True),
        ({"hours": NIGHT, "days": (4,)}, (6 * 60, 5), True),
        ({"hours": NIGHT, "days": (4,)}, (6 * 60, 4), False),
        ({"hours": NIGHT, "days": (6,)}, (6 * 60, 0), True),
        ({"days": (5, 6)}, (600, 5), True),
        ({"days": (5, 6)}, (600, 4), False),
    ],
)
def test_hours_and_days_by_the_wall_clock_where_a_night_belongs_to_the_day_on_which_it_begins(said, at, holds):
    assert rule(**said).holds(Conditions(minute=at[0], weekday=at[1])) is holds


@pytest.mark.parametrize(
    ("said", "now", "holds"),
    [
        ({"on_battery": True}, {"on_battery": True}, True),
        ({"on_battery": True}, {"on_battery": False}, False),
        ({"on_battery": False}, {"on_battery": False}, True),
        ({"on_battery": False}, {}, False),
        ({"battery_below": 20}, {"battery": 19.9}, True),
        ({"battery_below": 20}, {"battery": 20.0}, False),
        ({"battery_below": 20}, {}, False),
        ({"low_power": True}, {"low_power": True}, True),
        ({"thermal": "serious"}, {"thermal": "critical"}, True),
        ({"thermal": "serious"}, {"thermal": "fair"}, False),
        ({"thermal": "serious"}, {}, False),
        ({"camera": True}, {"camera": True}, True),
        ({"microphone": True}, {"microphone": False}, False),
        ({"full_screen": True}, {"full_screen": True}, True),
        ({"app": "Zoom.us"}, {"apps": frozenset({"zoom.us"})}, True),
        ({"app": "zoom.us"}, {"apps": frozenset({"zoom"})}, False),
        ({"suspend": True}, {"suspending": True}, True),
        ({"suspend": True}, {}, False),
        ({"on_battery": True, "battery_below": 20}, {"on_battery": False, "battery": 5.0}, False),
    ],
)
def test_a_rule_holds_where_all_its_conditions_do_and_what_is_unknown_does_not(said, now, holds):
    assert rule(**said).holds(Conditions(**now)) is holds


def test_a_rule_tells_what_it_needs_to_be_read_and_describes_itself():
    said = rule(
        hours=NIGHT, days=(0, 4), on_battery=True, battery_below=20, low_power=False, thermal="fair", camera=True,
        microphone=True, full_screen=True, app="zoom.us", suspend=True,
    )  # fmt: skip
    assert said.named() == {
        "on_battery", "battery", "low_power", "thermal", "camera", "microphone", "full_screen", "apps",
    }  # fmt: skip
    assert said.described() == (
        "r (hours 22:00-07:00, days mon, fri, on battery, not low power, camera, microphone, full screen, suspend, "
        "battery below 20 %, thermal state fair, zoom.us runs): hold"
    )
    assert rule(days=(1,)).named() == set()


@given(start=st.integers(0, DAY - 1), end=st.integers(0, DAY))
def test_hours_survive_being_spelled_and_hold_for_exactly_their_length(start, end):
    if start == end:
        return
    hours = (start, end)
    assert read_hours(spell_hours(hours)) == hours
    held = sum(rule(hours=hours).holds(Conditions(minute=minute)) for minute in range(DAY))
    assert held == (end - start) % DAY or (start, end) == (0, DAY)


@pytest.mark.parametrize(
    "text",
    ["", "7", "07:00", "07:00-", "7-8", "07:00-07:00", "24:00-01:00", "07:60-08:00", "25:00-26:00", "0x:00-1:00",
     "07:0-08:00", "-1:00-02:00", "٠٧:00-08:00"],
)  # fmt: skip
def test_what_are_no_hours_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r'hours as in "22:00-07:00"'):
        read_hours(text)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [("Europe/Berlin", (2026, 3, 28), 8), ("Europe/Berlin", (2026, 10, 24), 10), ("America/New_York", (2026, 3, 7), 8)],
)
def test_a_night_with_a_change_of_daylight_saving_time_lasts_from_clock_time_to_clock_time(zone, day, hours):
    """From 22:00 to 07:00 are 9 hours on most nights; the rule follows the clock on the wall."""
    local = ZoneInfo(zone)
    start = datetime(*day, 12, 0, tzinfo=local).timestamp()
    held = 0
    for minute in range(0, DAY, 15):
        now = datetime.fromtimestamp(start + minute * 60, local)
        held += rule(hours=NIGHT).holds(Conditions(minute=now.hour * 60 + now.minute, weekday=now.weekday()))
    assert held / 4 == hours
