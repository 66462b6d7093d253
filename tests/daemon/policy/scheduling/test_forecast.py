import random

import pytest
from msgspec import structs

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.forecast import PLAYED, Play, Sum, forecast
from innkeepd.policy.scheduling.scheduler import SchedulerSettings
from support.scheduler_run import MODELS, SchedulerRun, begin


def test_a_wait_is_the_load_and_the_answers_ahead():
    life = begin()
    life.ask(chain=("a",))
    life.ask(chain=("a",))
    assert life.scheduler.expected("t1", 0) == 12
    assert life.scheduler.expected("t2", 0) == 32
    assert life.scheduler.expected("t1", 5) == 7


def test_a_wait_for_another_model_is_the_drain_the_unload_and_the_load():
    life = begin()
    life.ask(chain=("a",))
    life.now = 12
    life.load_ended(1)
    life.now = 22
    life.ask(chain=("b",))
    assert life.scheduler.expected("t2", 22) == 10 + 1 + 16
    life.now = 32
    life.step(ev.Released("t1"))
    assert life.scheduler.expected("t2", 32) == 17, "its unload is under way"
    assert life.scheduler.expected("nobody", 32) is None


def test_what_takes_longer_than_usual_is_given_a_quarter_more():
    life = begin()
    life.ask(chain=("a",))
    assert life.scheduler.expected("t1", 100) == 3


def test_nothing_is_expected_until_what_it_needs_is_learned():
    life = begin()
    life.ask(chain=("c",))
    life.ask(chain=("a",))
    assert life.scheduler.expected("t1", 0) is None
    assert life.scheduler.expected("t2", 0) is None


def test_the_play_goes_through_timers_and_stops_where_they_bring_nothing():
    life = begin()
    life.ask(chain=("a",), session="s", last=False)
    life.load_ended(1)
    life.step(ev.Released("t1"))
    life.ask(chain=("b",))
    assert life.scheduler.expected("t2", 0) == 6 + 1 + 16
    life.step(ev.Known(tuple(structs.replace(spec, unload_s=None) for spec in MODELS.values())))
    assert life.scheduler.expected("t2", 0) is None


def test_refusals_in_the_play_are_no_grants():
    life = begin()
    life.ask(chain=("l",))
    life.step(ev.HoldBegan(1e6))
    assert life.scheduler.expected("t1", 0) is None


def test_a_forecast_changes_nothing():
    life = begin()
    for chain in (("a",), ("b",), ("l",)):
        life.ask(chain=chain)
    before = repr(life.scheduler), repr(life.scheduler.queue), life.scheduler.ledger.residents.copy()
    life.scheduler.expected("t3", 0)
    assert before == (repr(life.scheduler), repr(life.scheduler.queue), life.scheduler.ledger.residents)
    life.settle()
    assert life.replayed()


def crowd(life: SchedulerRun, *chains: str) -> None:
    for number in range(PLAYED + 1):
        life.ask(chain=(chains[number % len(chains)],))


def test_a_crowd_is_summed_instead_of_played():
    life = begin()
    crowd(life, "a")
    assert life.scheduler.expected("t2", 0) == 12 + 20
    assert life.scheduler.expected("t33", 0) == 12 + 32 * 20


def test_the_sum_counts_swaps_and_knows_what_it_does_not_know():
    life = begin()
    crowd(life, "a", "b")
    assert life.scheduler.expected("t1", 0) == 12
    assert life.scheduler.expected("t2", 0) == 12 + 17 * 20 + 17, "model by model"
    life = begin()
    crowd(life, "c")
    assert life.scheduler.expected("t1", 0) is None, "the load under way is not learned"
    life = begin()
    life.ask(chain=("a",))
    crowd(life, "c")
    assert life.scheduler.expected("t1", 0) == 12
    assert life.scheduler.expected("t3", 0) is None, "nor the load to come"
    life = begin()
    life.step(ev.Known((structs.replace(MODELS["a"], service_s=None),)))
    crowd(life, "a")
    assert life.scheduler.expected("t1", 0) == 12
    assert life.scheduler.expected("t2", 0) is None, "nor the answers ahead"


def test_a_play_has_a_last_step():
    life = begin(rules=SchedulerSettings(idle_unload=None))
    dice = random.Random(1)
    for _ in range(PLAYED):
        life.ask(chain=(dice.choice("abl"),), priority=dice.choice(ev.PRIORITIES))
    expected = [life.scheduler.expected(f"t{number}", 0) for number in range(1, PLAYED + 1)]
    assert sum(value is not None for value in expected) > PLAYED // 2


def test_one_after_the_other_on_one_model_the_sum_is_what_a_play_finds():
    life = begin()
    for number in range(6):
        life.ask(chain=("l",), priority=("interactive", "batch")[number % 2])
    life.load_ended(1)
    state = life.scheduler.state
    assert isinstance(forecast(state, life.scheduler._twin, 0), Sum)
    played = Play(life.scheduler._twin(), 0)
    names = [waiter.ticket.id for waiter in state.queue]
    assert [life.scheduler.expected(name, 0) for name in names] == [played.at(name) for name in names]


@pytest.mark.parametrize(
    "event", [ev.HoldBegan(9), ev.UnloadAsked(("l",)), ev.Asked(ev.Ticket("x", ("a",))), ev.Observed(2, ())]
)
def test_whatever_may_change_memory_is_played(event):
    life = begin()
    for _ in range(2):
        life.ask(chain=("l",))
    life.load_ended(1)
    life.step(event)
    if isinstance(event, ev.Observed):
        life.step(ev.Released("t1"))
        life.step(ev.Asked(ev.Ticket("y", ("l",))))
        life.step(ev.UnloadAsked(("l",)))
    assert isinstance(forecast(life.scheduler.state, life.scheduler._twin, 0), Play)


def test_many_waiters_of_several_classes_are_summed_in_the_one_order():
    life = begin()
    for number in range(PLAYED + 4):
        life.ask(chain=("l",), priority=ev.PRIORITIES[number % 3])
    life.load_ended(1)
    by_position = sorted(life.scheduler.positions(0).items(), key=lambda each: each[1])
    expected = [life.scheduler.expected(name, 0) for name, _ in by_position]
    assert expected == [10.0 * (number + 1) for number in range(len(by_position))]
