"""Limits of the rules that hold: at most one change a minute, over 500 scripted days and in random lives."""

import random
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.policy.conditions import Conditions, Rule, read_hours
from innkeepd.policy.limits import CHANGE_EVERY, LimitGauge, Limits, combined

RULES = (
    Rule("night", "batch_only", hours=read_hours("23:30-06:30"), days=(0, 1, 2, 3, 4)),
    Rule("unplugged", "light_only", on_battery=True),
    Rule("almost empty", "hold", on_battery=True, battery_below=20),
    Rule("hot", "no_growth", thermal="serious"),
    Rule("call", "hold", camera=True),
    Rule("sleep", "hold", suspend=True),
)
DAYS = 500
POLL = 600.0
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Seoul")
"""Lord Howe changes by half an hour, Seoul never."""


class Machine:
    """500 scripted days: a plug that flaps, a wall clock that is set wrong and back, calls, heat, nights asleep."""

    def __init__(self, zone: str, dice: random.Random) -> None:
        self.zone = ZoneInfo(zone)
        self.dice = dice
        self.now = 0.0
        self.wall = datetime(2026, 1, 5, 12, 0, tzinfo=self.zone).timestamp()
        self.state = {"on_battery": False, "battery": 100.0, "thermal": "nominal", "camera": False}
        self.suspending = False

    def advance(self, seconds: float) -> Conditions:
        self.now += seconds
        self.wall += seconds
        local = datetime.fromtimestamp(self.wall, self.zone)
        minute = local.hour * 60 + local.minute
        return Conditions(minute=minute, weekday=local.weekday(), suspending=self.suspending, **self.state)

    def day(self) -> Iterator[Conditions]:
        """The conditions of one day at the instants at which somebody reads them."""
        dice, end = self.dice, self.now + 86400
        while self.now < end:
            roll = dice.random()
            if roll < 0.02:  # the plug flaps
                for _ in range(dice.randint(5, 60)):
                    self.state["on_battery"] = not self.state["on_battery"]
                    yield self.advance(dice.choice([0.2, 1, 7, 31]))
                self.state["on_battery"] = dice.random() < 0.3
            elif roll < 0.03:
                self.wall += dice.choice([-7200, -60, 60, 3600, 86400 * 3])  # the clock is set
            elif roll < 0.05:
                self.state["thermal"] = dice.choice(["nominal", "fair", "serious", "critical"])
            elif roll < 0.08:
                self.state["camera"] = not self.state["camera"]
            elif roll < 0.1:
                self.suspending = True
                yield self.advance(0.1)
                self.suspending = False
                yield self.advance(dice.choice([5, 8 * 3600]))  # asleep
            on_battery = self.state["on_battery"]
            self.state["battery"] = min(100.0, max(1.0, self.state["battery"] + (-2 if on_battery else 5)))
            yield self.advance(POLL)


@pytest.mark.parametrize("zone", ZONES)
def test_over_500_days_the_limits_change_at_most_once_a_minute_and_always_catch_up(zone):
    machine, gauge = Machine(zone, random.Random(zone)), LimitGauge()
    changed, changes, was_suspending = float("-inf"), 0, False
    for _ in range(DAYS):
        for conditions in machine.day():
            if gauge.due is not None and gauge.due < machine.now:  # the daemon wakes for it, and reads again
                due, before = gauge.due, gauge.limits
                if gauge.feed(RULES, conditions, due) != before:
                    changed, changes = due, changes + 1
            before = gauge.limits
            limits = gauge.feed(RULES, conditions, machine.now)
            wanted = combined([rule for rule in RULES if rule.holds(conditions)])
            is_suspend, was_suspending = conditions.suspending != was_suspending, conditions.suspending
            if limits != before:
                assert is_suspend or machine.now >= changed + CHANGE_EVERY
                changed, changes = machine.now, changes + 1
            assert limits == wanted or gauge.due == changed + CHANGE_EVERY
            assert not conditions.suspending or limits.hold, "sleep does not wait"
    assert changes > DAYS


POINTS = st.lists(st.tuples(st.floats(0, 90), st.booleans(), st.booleans()), max_size=60)


@given(points=POINTS)
def test_however_conditions_flap_two_changes_are_a_minute_apart_and_the_last_word_counts(points):
    gauge, now, changes = LimitGauge(), 0.0, []
    conditions = Conditions()
    for step, on_battery, camera in points:
        now += step
        conditions = Conditions(on_battery=on_battery, battery=50.0, camera=camera)
        before = gauge.limits
        if gauge.feed(RULES, conditions, now) != before:
            changes.append(now)
    assert all(later >= earlier + CHANGE_EVERY for earlier, later in pairwise(changes))
    if gauge.due is not None:
        now = max(now, gauge.due)
    assert gauge.feed(RULES, conditions, now) == combined([rule for rule in RULES if rule.holds(conditions)])
    assert gauge.due is None


def test_several_rules_forbid_what_any_of_them_forbids():
    assert combined(RULES) == Limits(
        hold=True, light_only=True, batch_only=True, no_growth=True, rules=tuple(rule.name for rule in RULES)
    )
    assert not combined([])
    assert combined(RULES[:1])


def test_the_gauge_shows_itself():
    assert repr(LimitGauge()).startswith("<LimitGauge Limits(")
