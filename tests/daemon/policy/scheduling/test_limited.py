"""What rules of use do to the scheduler: who starts, who leaves, who looks elsewhere, who is refused when."""

import pytest

from innkeepd.policy.scheduling import events as ev
from support.scheduler_run import SchedulerRun, begin


def loaded(*weights: str) -> SchedulerRun:
    """A life with these models in memory, idle."""
    life = begin(budget=60)
    for each in weights:
        ticket = life.ask(chain=(each,))
        life.load_ended(next(iter(life.loads)))
        life.step(ev.Released(ticket))
    return life


def unloading(life: SchedulerRun) -> list[tuple[str, str]]:
    return [(action.weights, action.reason) for action in life.unloads.values()]


def refused(actions: list[ev.Action]) -> list[tuple[str, str]]:
    return [(action.code, action.message) for action in actions if isinstance(action, ev.Refuse)]


def test_a_hold_by_a_rule_empties_memory_starts_nothing_and_lets_answers_end():
    life = loaded("a", "l")
    running = life.ask(chain=("a",))
    life.step(ev.Limited(hold=True, why="night"))
    assert unloading(life) == [("l", "hold")]
    life.unload_ended(next(iter(life.unloads)))
    later = life.ask(chain=("l",))
    assert later in life.waiting
    life.step(ev.Released(running))
    assert unloading(life) == [("a", "hold")]
    life.unload_ended(next(iter(life.unloads)))
    assert life.scheduler.ledger.residents == {}
    life.step(ev.Limited())
    assert [load.weights for load in life.loads.values()] == ["l"]


def test_who_waits_for_a_rule_to_end_is_refused_after_hold_wait_with_its_name():
    life = begin()
    life.step(ev.Limited(hold=True, why="night (hours 22:00-07:00): hold"))
    life.ask(chain=("l",))
    assert life.wake == 60.0
    life.now = 60.0
    (code, message) = refused(life.step(ev.Woke()))[0]
    assert code == "on_hold"
    assert message == (
        "not allowed now by the rules of [[when]]: night (hours 22:00-07:00): hold; `innkeep resume` lifts them"
    )


def test_light_models_only_heavy_ones_leave_and_a_chain_goes_on_to_its_light_one():
    life = loaded("a", "l")
    life.step(ev.PinSet("a"))
    life.step(ev.Limited(light_only=True, why="battery"))
    assert unloading(life) == [("a", "rule")], "pinned or not"
    life.unload_ended(next(iter(life.unloads)))
    ticket = life.ask(chain=("a", "m"))
    life.load_ended(next(iter(life.loads)))
    assert life.granted[ticket] == "m"
    alone = life.ask(chain=("b",))
    assert alone in life.waiting
    life.step(ev.Limited())
    assert alone not in life.waiting or [load.weights for load in life.loads.values()] == ["b"]


def test_a_heavy_model_that_another_program_loads_under_light_only_is_not_fought():
    life = begin(budget=60)
    life.step(ev.Limited(light_only=True, why="battery"))
    life.step(ev.Observed(life.now, (ev.Seen("a", 20),)))
    assert life.unloads == {}


def test_under_light_only_a_heavy_model_that_the_catalogue_does_not_know_answers_nobody_either():
    life = begin(budget=60)
    life.step(ev.Limited(light_only=True, why="battery"))
    life.step(ev.Observed(life.now, (ev.Seen("unknown", 40),)))
    assert life.ask(chain=("unknown",)) in life.waiting


def test_batch_only_lets_the_class_batch_work_and_nobody_else():
    life = loaded("l")
    life.step(ev.Limited(batch_only=True, why="night"))
    chat = life.ask(chain=("l",))
    batch = life.ask(chain=("l",), priority="batch")
    assert (batch in life.granted, chat in life.waiting) == (True, True)
    life.step(ev.Limited())
    life.step(ev.Released(batch))
    assert chat in life.granted


def test_without_growth_what_is_in_memory_goes_on_and_nothing_is_loaded():
    life = loaded("l")
    life.step(ev.Limited(no_growth=True, why="hot"))
    inside = life.ask(chain=("l",))
    outside = life.ask(chain=("m",))
    larger = life.ask(chain=("l",), need=8192)
    assert (inside in life.granted, outside in life.waiting, larger in life.waiting) == (True, True, True)
    assert life.loads == {}
    instead = life.ask(chain=("m", "l"), patience=30)
    life.step(ev.Released(inside))
    assert life.granted == {instead: "l"}


def test_engines_elsewhere_serve_whatever_a_rule_forbids_here():
    life = begin()
    life.step(ev.Limited(hold=True, frozen=True, light_only=True, batch_only=True, no_growth=True, why="all"))
    assert life.granted == {life.ask(chain=("a", "r")): "r"}


def test_a_frozen_machine_begins_nothing_and_keeps_what_is_in_memory():
    life = loaded("l")
    life.now = 1000.0
    life.step(ev.Limited(frozen=True))
    assert life.unloads == {}, "idle for long, and yet it stays"
    ticket = life.ask(chain=("l",))
    assert ticket in life.waiting
    life.now = 1060.0
    assert refused(life.step(ev.Woke())) == [("on_hold", "the machine is about to sleep; ask again once it is awake")]
    life.step(ev.Limited())
    assert unloading(life) == [("l", "idle")]


def test_the_users_word_lifts_a_rule_but_not_what_is_frozen():
    life = begin()
    life.step(ev.Limited(hold=True, why="night"))
    ticket = life.ask(chain=("l",))
    life.step(ev.HoldEnded())
    assert life.loads
    assert ticket in life.waiting
    life.step(ev.Limited(frozen=True))
    life.step(ev.HoldEnded())
    assert life.scheduler.state.limits == ev.Limited(frozen=True)


def test_the_users_hold_and_a_rules_stand_beside_each_other():
    life = begin()
    life.step(ev.HoldBegan(100.0, "video call"))
    life.step(ev.Limited(hold=True, why="night"))
    ticket = life.ask(chain=("l",), patience=1000)
    outlook = life.scheduler.outlook(ticket, life.now)
    assert (outlook.why, outlook.until) == ("video call", 100.0)
    life.now = 100.0
    life.step(ev.Woke())
    assert life.scheduler.held_until is None
    outlook = life.scheduler.outlook(ticket, life.now)
    assert (outlook.why, outlook.until, outlook.expected) == ("night", None, None)
    assert outlook.reason.startswith('on hold ("night")')


@pytest.mark.parametrize("limits", [{"hold": True}, {"no_growth": True}, {"frozen": True}, {"light_only": True}])
def test_a_model_on_its_way_back_from_a_recycle_stays_away_under_a_rule(limits):
    life = loaded("l")
    life.scheduler.state.coming_back["a"] = 4096
    life.step(ev.Limited(**limits, why="rule"))
    assert life.loads == {}
    assert life.scheduler.state.coming_back == {}
