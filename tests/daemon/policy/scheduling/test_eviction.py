from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling import eviction
from innkeepd.policy.scheduling.timers import next_timer
from support.scheduler_run import SchedulerRun, begin


def with_seen(*weights: str, budget: int = 60) -> SchedulerRun:
    life = begin(budget)
    life.step(ev.HoldBegan(10))
    for number in range(len(weights)):
        life.now = 1 + number
        seen = tuple(ev.Seen(each, 20, 4096) for each in weights[: number + 1])
        life.step(ev.Observed(life.now, seen))
    life.scheduler.state.held_until = None
    return life


def test_order_needs_nobody_while_it_holds():
    assert eviction.out_of_order(with_seen("a").scheduler.state, 5) is None


def test_the_longest_unused_heavy_goes_first_and_light_ones_do_not_mend_two_heavy():
    state = with_seen("l", "a", "b").scheduler.state
    assert eviction.out_of_order(state, 5).weights == "a"
    state.ledger.pins["a"] = True
    assert eviction.out_of_order(state, 5).weights == "b"
    state.ledger.pins["b"] = True
    assert eviction.out_of_order(state, 5) is None


def test_too_many_bytes_are_mended_by_anybody_but_not_by_one_that_rests():
    state = with_seen("l", "a").scheduler.state
    state.ledger.budget = 30
    assert eviction.out_of_order(state, 5).weights == "l"
    state.ledger.residents["l"].rest_until = 9
    assert eviction.out_of_order(state, 5) is None


def test_the_last_one_stays_while_somebody_wants_it():
    life = with_seen("a")
    state = life.scheduler.state
    state.ledger.budget = 10
    assert eviction.out_of_order(state, 5).weights == "a"
    life.ask(chain=("a",))
    assert life.granted == {"t1": "a"}
    assert eviction.out_of_order(state, 5) is None
    life.ask(chain=("a",))
    life.step(ev.Released("t1"))
    assert eviction.out_of_order(state, 5) is None


def test_pressure_and_idleness_spare_what_rests_what_is_pinned_and_what_is_wanted():
    state = with_seen("l", "a").scheduler.state
    assert eviction.pressed_out(state, 5) == []
    state.ledger.pressure = "warning"
    light = state.ledger.residents["l"]
    light.used = 5
    assert eviction.pressed_out(state, 64) == []
    assert [r.weights for r in eviction.pressed_out(state, 65)] == ["l"]
    assert next_timer(state, 5) == eviction.pressed_at(light) == 65
    light.session_until = 90
    assert eviction.pressed_out(state, 89) == [], "its session goes on: it would be loaded again for the next message"
    light.used = light.session_until = 0
    state.ledger.pressure = "critical"
    assert [r.weights for r in eviction.pressed_out(state, 5)] == ["l", "a"]
    assert [r.weights for r in eviction.idled_out(state, 301)] == ["l"]
    state.ledger.residents["l"].rest_until = 400
    assert eviction.idled_out(state, 301) == []
    assert eviction.idled_out(state, 999)[0].weights == "l"


def test_a_hold_and_the_user_take_pinned_ones_too():
    state = with_seen("l", "a").scheduler.state
    state.ledger.pins = {"l": True, "a": True}
    state.ledger.residents["a"].leaving = True
    state.ledger.residents["l"].spared = False
    assert [r.weights for r in eviction.asked_out(state)] == ["a"]
    assert [r.weights for r in eviction.held_out(state, 5)] == ["l"]
