import pytest

from innkeepd.policy.scheduling.residency import (
    ABSENT,
    LOADING,
    RESIDENT,
    TRANSITIONS,
    UNLOADING,
    Cooling,
    IllegalTransition,
    Residency,
)

STATES = (ABSENT, LOADING, RESIDENT, UNLOADING)
EVENTS = ("load", "seen", "loaded", "failed", "unload", "vanished", "gone", "stayed")


def resident(state: str) -> Residency:
    return Residency("w", context=4096, footprint=20, heavy=True, state=state)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_the_table_is_the_whole_truth(state, event):
    residency = resident(state)
    if (state, event) in TRANSITIONS:
        residency.turn(event, 5.0)
        assert (residency.state, residency.since) == (TRANSITIONS[state, event], 5.0)
    else:
        with pytest.raises(IllegalTransition, match=f"w is {state}: it cannot be '{event}'"):
            residency.turn(event, 5.0)
    assert residency.is_resident == (residency.state == RESIDENT)


def test_what_does_not_go_is_left_alone_for_longer_each_time():
    residency = resident(UNLOADING)
    rests = []
    for _ in range(6):
        residency.state, residency.leaving = UNLOADING, True
        residency.stay(100.0)
        rests.append(residency.rest_until - 100)
    assert rests == [5, 10, 20, 40, 60, 60]
    assert (residency.state, residency.leaving) == (RESIDENT, False)


def test_cooling_doubles_from_one_minute_to_ten():
    cooling, untils = None, []
    for _ in range(6):
        cooling = Cooling.after(cooling, "load_failed", "text", 0.0)
        untils.append(cooling.until)
    assert untils == [60, 120, 240, 480, 600, 600]
    assert cooling.failures == 6
