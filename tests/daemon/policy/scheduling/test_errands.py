"""Errands wait, take light models and cold slots, and never cost a conversation its place."""

import random

import pytest

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.errands import SETTLE, WAIT, WARM
from innkeepd.policy.scheduling.residency import UNLOADING
from support.scheduler_run import SchedulerRun, begin, random_event


def answered(life: SchedulerRun, weights: str) -> None:
    """Load ``weights`` for a conversation, whose answer has just ended."""
    ticket = life.ask(chain=(weights,))
    while life.unloads:
        life.unload_ended(next(iter(life.unloads)))
    while life.loads:
        life.load_ended(next(iter(life.loads)))
    life.step(ev.Released(ticket))


def wait(life: SchedulerRun, seconds: float) -> None:
    life.now += seconds
    life.step(ev.Woke())


def place(life: SchedulerRun, ticket: str) -> str | None:
    return life.granted.get(ticket)


def test_an_errand_loads_a_light_model_beside_the_heavy_one_after_a_moment():
    life = begin(30)
    answered(life, "a")
    errand = life.ask(chain=("l", "a"), errand=True)
    assert life.loads == {}
    wait(life, SETTLE)
    assert [load.weights for load in life.loads.values()] == ["l"]
    life.load_ended(next(iter(life.loads)))
    assert place(life, errand) == "l"


def test_a_light_model_in_memory_serves_at_once_though_another_is_first_of_the_chain():
    life = begin(30)
    answered(life, "m")
    life.now += WARM
    assert place(life, life.ask(chain=("l", "m", "a"), errand=True)) == "m"


def test_the_slot_of_a_warm_heavy_model_is_waited_for_until_its_conversation_has_rested():
    life = begin(24)
    answered(life, "a")
    keeper = life.ask(chain=("l", "a"), errand=True, takes_warm=True)
    other = life.ask(chain=("l", "a"), errand=True)
    alone = life.ask(chain=("a",), errand=True)
    wait(life, WARM - 1)
    assert (life.granted, life.loads, life.unloads) == ({}, {}, {})
    wait(life, 1)
    assert place(life, keeper) == "a"
    life.step(ev.Released(keeper))
    assert (place(life, other), place(life, alone)) == (None, "a")


def test_a_warm_light_model_is_waited_for_unless_its_engine_keeps_the_prompt():
    life = begin()
    answered(life, "l")
    errand = life.ask(chain=("l",), errand=True)
    for _ in range(3):  # the conversation goes on
        wait(life, WAIT / 3 - 1)
        assert place(life, errand) is None
        answered(life, "l")
    wait(life, 3)
    assert place(life, errand) == "l"
    life.step(ev.Released(errand))
    answered(life, "l")
    assert place(life, life.ask(chain=("l",), errand=True, takes_warm=True)) == "l"


def test_while_a_conversation_is_answered_its_model_is_warm():
    life = begin()
    life.step(ev.Asked(ev.Ticket("main", ("b",))))
    life.load_ended(next(iter(life.loads)))
    errand = life.ask(chain=("b",), errand=True)  # b has two slots
    wait(life, WARM * 2)
    assert place(life, errand) is None


def test_nothing_is_loaded_for_an_errand_without_a_light_model_and_it_is_refused_in_the_end():
    life = begin()
    errand = life.ask(chain=("a",), errand=True)
    wait(life, WAIT - 1)
    assert life.loads == {}
    wait(life, 1)
    assert life.ended[errand] == "refused"
    [refusal] = [action for action in life.log[-1][2] if isinstance(action, ev.Refuse)]
    assert refusal.code == "unsupported"
    assert "no light model is pulled" in refusal.message and "x-innkeep-strict" in refusal.message


def test_the_refusal_says_where_a_light_model_does_not_fit():
    life = begin(22)
    answered(life, "a")
    life.ask(chain=("l",), errand=True)
    wait(life, WAIT)
    [refusal] = [action for action in life.log[-1][2] if isinstance(action, ev.Refuse)]
    assert "l:8b does not fit beside what is in memory" in refusal.message


def test_an_errand_that_only_waits_for_a_slot_is_never_refused():
    life = begin()
    answered(life, "m")
    wait(life, WARM)
    first = life.ask(chain=("m",), errand=True)
    second = life.ask(chain=("m",), errand=True)
    wait(life, WAIT * 2)
    assert second in life.waiting
    life.step(ev.Released(first))
    assert place(life, second) == "m"


def test_an_errand_that_waits_for_a_heavy_model_does_not_keep_it_in_memory():
    life = begin()
    answered(life, "a")
    life.ask(chain=("a",), errand=True)
    main = life.ask(chain=("b",))
    assert [life.scheduler.ledger.residents["a"].state, main in life.waiting] == [UNLOADING, True]


def test_candidates_that_can_never_be_had_are_passed_over_and_an_errand_without_any_is_refused():
    life = begin()
    assert life.ended[life.ask(chain=("h", "unknown"), errand=True)] == "refused"
    answered(life, "m")
    wait(life, WARM)
    assert place(life, life.ask(chain=("unknown", "h", "m"), errand=True)) == "m"


def test_an_engine_elsewhere_serves_an_errand_at_once():
    life = begin()
    answered(life, "a")
    assert place(life, life.ask(chain=("r", "a"), errand=True)) == "r"


def test_what_failed_to_load_is_not_tried_again_for_the_same_errand():
    life = begin()
    errand = life.ask(chain=("l", "m"), errand=True)
    wait(life, SETTLE)
    life.load_ended(next(iter(life.loads)), "load_failed")
    assert [load.weights for load in life.loads.values()] == ["m"]
    life.load_ended(next(iter(life.loads)))
    assert place(life, errand) == "m"


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_no_errand_loads_or_evicts_a_heavy_model_or_takes_its_warm_slot(seed):
    """``SchedulerRun`` asserts it at every action."""
    dice = random.Random(seed)
    life = begin(dice.choice([27, 30]))
    for _ in range(150):
        random_event(life, dice, foreign=seed % 2 == 1)
    if seed % 2 == 0:
        life.step(ev.HoldEnded())
        life.settle()
    assert life.errands
