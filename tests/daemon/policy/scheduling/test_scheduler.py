"""The scheduler: what must always hold in random lives, and each rule by itself."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.scheduler import Scheduler, SchedulerSettings
from innkeepd.policy.scheduling.state import RENEW_BEFORE, RENEW_EVERY
from support.scheduler_run import MODELS, SchedulerRun, begin, random_event

RULES = st.builds(
    SchedulerSettings,
    idle_unload=st.sampled_from([300.0, None, 0.0, 20.0]),
    heavy_limit=st.sampled_from([1, 1, 2]),
    queue_limit=st.sampled_from([512, 4]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rules=RULES, dice=st.randoms(), foreign=st.booleans(), length=st.integers(1, 60))
def test_whatever_happens_the_promises_hold_everybody_is_served_in_time_and_a_replay_does_the_same(
    rules, dice, foreign, length
):
    live(rules, dice, length, foreign=foreign)


@pytest.mark.parametrize("seed", range(60))
def test_long_random_lives_keep_the_promises(seed):
    dice = random.Random(seed)
    rules = SchedulerSettings(idle_unload=dice.choice([300.0, 0.0]), order=dice.choice(["turns", "turns", "fifo"]))
    live(rules, dice, 80, foreign=seed % 2 == 0)


def live(rules, dice, length, *, foreign):
    life = begin(rules=rules)
    for _ in range(length):
        random_event(life, dice, foreign=foreign)
        for ticket in sorted(life.waiting)[:2]:
            expected = life.scheduler.expected(ticket, life.now)
            assert expected is None or expected >= 0
            assert life.scheduler.outlook(ticket, life.now).position >= 1
    assert life.replayed()
    life.settle()
    life.step(ev.Closing())
    before = list(life.scheduler.ledger.residents)
    life.ask(chain=("a",))
    life.settle()
    assert before == list(life.scheduler.ledger.residents)


def granted(actions):
    return [(action.ticket, action.weights) for action in actions if isinstance(action, ev.Grant)]


def kinds(actions):
    return [type(action).__name__ for action in actions if not isinstance(action, ev.WakeAt)]


def refusals(actions):
    return [(action.ticket, action.code) for action in actions if isinstance(action, ev.Refuse)]


def with_resident(weights, **keywords) -> SchedulerRun:
    """A life in which this model is in memory and idle."""
    life = begin(**keywords)
    ticket = life.ask(chain=(weights,))
    life.load_ended(next(iter(life.loads)))
    life.step(ev.Released(ticket))
    return life


def test_a_model_is_loaded_granted_and_given_back():
    life = begin()
    assert life.ask(chain=("a", "l")) == "t1"
    [load] = life.loads.values()
    assert load == ev.Load(1, "a", 4096)
    life.now = 12
    assert granted(life.step(ev.LoadEnded(99))) == []
    life.load_ended(1, footprint=21)
    assert life.granted == {"t1": "a"}
    assert life.scheduler.ledger.used() == 21


def test_a_light_model_comes_beside_a_heavy_one_and_a_second_heavy_one_in_its_place():
    life = with_resident("a")
    life.ask(chain=("l",))
    assert [load.weights for load in life.loads.values()] == ["l"]
    life.load_ended(next(iter(life.loads)))
    life.ask(chain=("b",))
    assert [unload.weights for unload in life.unloads.values()] == ["a"]
    life.unload_ended(next(iter(life.unloads)))
    life.step(ev.Released("t2"))
    assert [unload.weights for unload in life.unloads.values()] == []
    assert "b" in life.scheduler.ledger.residents


def test_nothing_is_loaded_on_top_of_a_model_that_did_not_leave():
    life = with_resident("a")
    life.ask(chain=("b", "r"))
    life.unload_ended(next(iter(life.unloads)), "load_failed")
    assert life.loads == {}
    assert life.granted == {"t2": "r"}
    assert life.scheduler.cooling["b"].code == "load_failed"


def test_one_of_several_unloads_fails_and_nothing_comes_on_top_of_what_stayed():
    life = with_resident("l")
    life.step(ev.Measured(29))
    ticket = life.ask(chain=("b",))
    life.load_ended(next(iter(life.loads)))
    life.step(ev.Released(ticket))
    life.step(ev.Measured(27))
    life.step(ev.Measured(44))
    life.step(ev.Known((*MODELS.values(), ev.Spec("big", "big", ((4096, 43),), heavy=True))))
    life.ask(chain=("big",))
    assert sorted(unload.weights for unload in life.unloads.values()) == ["b", "l"]
    first, second = life.unloads
    life.unload_ended(first)
    assert life.loads == {}
    life.unload_ended(second, "load_failed")
    assert life.loads == {}
    assert life.ended["t3"] == "refused"


def test_an_engine_that_does_not_answer_passes_all_local_candidates_over_without_cooling_them():
    life = begin()
    life.ask(chain=("a", "l"))
    life.ask(chain=("l", "r"))
    life.load_ended(1, "backend_unreachable")
    assert life.ended == {"t1": "refused", "t2": "granted"}
    assert life.scheduler.cooling == {}


def test_a_failed_load_cools_the_model_and_whoever_insists_tries_it_again():
    life = begin()
    life.ask(chain=("a",))
    life.load_ended(1, "out_of_memory")
    assert refusals(life.log[-1][2]) == [("t1", "out_of_memory")]
    life.ask(chain=("a",))
    assert life.ended["t2"] == "refused"
    life.ask(chain=("a",), insist=True)
    assert len(life.loads) == 1
    life.ask(chain=("a",))
    assert "t4" in life.waiting, "it is on its way: nothing keeps one from waiting for it"


def test_a_model_grows_its_context_by_leaving_and_coming_back():
    life = with_resident("a")
    life.ask(chain=("a",), need=5000)
    assert [unload.wanted_by for unload in life.unloads.values()] == ["a"]
    life.unload_ended(next(iter(life.unloads)))
    assert [load.context for load in life.loads.values()] == [8192]


def test_a_pinned_model_stays_and_what_does_not_fit_beside_it_is_refused():
    life = with_resident("a")
    life.step(ev.PinSet("a"))
    life.ask(chain=("b",))
    assert refusals(life.log[-1][2]) == [("t2", "never_fits")]
    life.step(ev.PinSet("a", False))
    life.ask(chain=("b",))
    assert len(life.unloads) == 1


def test_where_ollama_would_throw_a_pinned_model_out_the_most_demanding_look_elsewhere_first():
    life = with_resident("l", free=26)
    life.step(ev.PinSet("l"))
    life.step(ev.Measured(29, 26))
    life.ask(chain=("a",))
    assert len(life.loads) == 1
    life.load_ended(next(iter(life.loads)))
    life.step(ev.Measured(29, 6))
    life.ask(chain=("a",))
    life.step(ev.Measured(29, 1))
    life.ask(chain=("a", "r"), need=8192)
    assert life.granted == {"t2": "a", "t4": "r"}
    assert "t3" in life.waiting, "it wants no more than what is there"


def test_a_budget_that_shrinks_sends_somebody_away_and_one_that_grows_calls_nobody_back():
    life = with_resident("a")
    life.ask(chain=("l",))
    life.load_ended(next(iter(life.loads)))
    life.step(ev.Measured(22))
    assert [(u.weights, u.reason) for u in life.unloads.values()] == [("a", "order")]


def test_a_model_alone_that_turns_out_too_big_works_while_wanted_and_then_never_comes_again():
    life = begin()
    life.ask(chain=("a",))
    life.ask(chain=("a",))
    life.load_ended(1, footprint=30)
    assert life.granted == {"t1": "a"}
    life.step(ev.Released("t1"))
    assert life.granted == {"t2": "a"}
    life.step(ev.Released("t2"))
    assert [u.reason for u in life.unloads.values()] == ["order"]
    life.unload_ended(2)
    life.ask(chain=("a",))
    assert refusals(life.log[-1][2]) == [("t3", "never_fits")]


def test_two_pinned_heavies_are_left_alone_and_so_is_every_house_during_a_hold():
    life = with_resident("a")
    life.step(ev.Observed(life.now + 1, (*life.truth(), ev.Seen("b", 21, 4096))))
    assert [u.weights for u in life.unloads.values()] == ["a"]
    life.unload_ended(next(iter(life.unloads)), "load_failed")
    life.step(ev.PinSet("a"))
    life.step(ev.PinSet("b"))
    life.now += 100
    assert kinds(life.step(ev.Woke())) == []
    assert life.granted == {}
    life.ask(chain=("a",))
    assert life.granted == {"t2": "a"}


def test_a_foreign_heavy_beside_a_busy_one_is_sent_away_and_never_worsened():
    life = begin()
    life.ask(chain=("a",))
    life.load_ended(1)
    life.step(ev.Observed(life.now + 1, (*life.truth(), ev.Seen("b", 21, 4096))))
    assert [(u.weights, u.reason) for u in life.unloads.values()] == [("b", "order")]


def test_a_hold_empties_the_memory_lets_granted_work_finish_and_serves_only_elsewhere():
    life = with_resident("a")
    life.step(ev.PinSet("a"))
    life.ask(chain=("a",))
    life.now = 5
    life.step(ev.HoldBegan(1000))
    assert life.unloads == {}
    life.ask(chain=("l",))
    life.ask(chain=("l",), patience=3)
    life.ask(chain=("l", "unknown", "r"))
    assert life.granted == {"t2": "a", "t5": "r"}
    life.step(ev.Released("t2"))
    assert [(u.weights, u.reason) for u in life.unloads.values()] == [("a", "hold")]
    life.unload_ended(next(iter(life.unloads)))
    life.step(ev.Observed(life.now + 1, (ev.Seen("b", 21, 4096),)))
    life.step(ev.HoldBegan(2000))
    assert life.unloads == {}, "what came during the hold is spared, a longer hold too"
    life.now = 8
    assert refusals(life.step(ev.Woke())) == [("t4", "on_hold")]
    life.now = 65
    assert refusals(life.step(ev.Woke())) == [("t3", "on_hold")]
    life.step(ev.HoldEnded())
    assert life.scheduler.held_until is None
    life.step(ev.HoldBegan(1e9))
    assert len(life.unloads) == 1, "a new hold spares nobody"


def test_a_load_that_ends_during_a_hold_is_unloaded_and_a_hold_ends_by_itself():
    life = begin()
    life.ask(chain=("a",))
    life.step(ev.HoldBegan(40))
    life.load_ended(1)
    assert [u.reason for u in life.unloads.values()] == ["hold"]
    life.unload_ended(2)
    assert life.wake == 40
    life.now = 40
    assert kinds(life.step(ev.Woke())) == ["Load"]


def test_critical_pressure_refuses_loads_but_not_what_is_there_or_coming():
    life = begin()
    life.ask(chain=("a",))
    life.step(ev.Measured(27, None, "critical"))
    assert "t1" in life.waiting
    life.ask(chain=("l",))
    assert refusals(life.log[-1][2]) == [("t2", "memory_pressure")]
    life.load_ended(1)
    assert life.granted == {"t1": "a"}
    life.step(ev.Released("t1"))
    assert [u.reason for u in life.unloads.values()] == ["pressure"]


def test_warning_sends_idle_light_models_away_only():
    life = with_resident("l")
    ticket = life.ask(chain=("a",))
    life.load_ended(next(iter(life.loads)))
    life.step(ev.Released(ticket))
    life.step(ev.Measured(27, None, "warning"))
    assert life.unloads == {}, "macOS may stay at warning for days: a message may follow"
    life.now = life.wake
    life.step(ev.Woke())
    assert [u.weights for u in life.unloads.values()] == ["l"]


def test_idle_models_leave_after_their_time_and_pinned_ones_do_not():
    life = with_resident("a")
    assert life.wake == 300
    life.now = 300
    assert [a.reason for a in life.step(ev.Woke()) if isinstance(a, ev.Unload)] == ["idle"]
    pinned = begin()
    pinned.step(ev.PinSet("a"))
    ticket = pinned.ask(chain=("a",))
    pinned.load_ended(1)
    pinned.step(ev.Released(ticket))
    assert pinned.wake is None


def test_idle_unload_of_zero_is_at_once_but_waits_for_the_next_turn_of_a_session():
    life = begin(rules=SchedulerSettings(idle_unload=0.0))
    life.ask(chain=("a",), session="s", last=False)
    life.load_ended(1)
    life.step(ev.Released("t1"))
    assert (life.unloads, life.wake) == ({}, 6.0)
    life.now = 6
    assert kinds(life.step(ev.Woke())) == ["Unload"]
    life.unload_ended(2, "load_failed")
    assert (life.unloads, life.wake) == ({}, 11.0), "what can't be unloaded is not asked without end"


def shown(life: SchedulerRun, weights: str, expires: float) -> list[ev.Action]:
    """What follows from a look at Ollama that shows this end of a stay; the epoch began 1000 s before instant 0."""
    context = life.scheduler.ledger.residents[weights].context
    return life.step(ev.Observed(life.now, (ev.Seen(weights, 0, context, 1000.0 + expires),), epoch=1000.0))


def renewed(actions: list[ev.Action]) -> list[str]:
    return [action.weights for action in actions if isinstance(action, ev.Renew)]


def test_a_pinned_model_is_renewed_before_ollama_lets_it_go_and_not_unloaded_meanwhile():
    life = with_resident("l")
    assert renewed(shown(life, "l", life.now + 300)) == [], "it may leave"
    assert renewed(life.step(ev.PinSet("l"))) == ["l"]
    assert renewed(shown(life, "l", life.now + 300)) == [], "it is being renewed"
    assert kinds(life.step(ev.UnloadAsked(("l",)))).count("Unload") == 0
    life.renew_ended(next(iter(life.renewals)))
    assert list(life.unloads) != []


def test_a_renewal_that_changes_nothing_is_repeated_after_a_minute_and_one_that_works_when_the_new_end_is_near():
    life = with_resident("l", rules=SchedulerSettings(idle_unload=None))
    shown(life, "l", life.now + 300)
    life.renew_ended(next(iter(life.renewals)))
    assert life.wake == life.now + RENEW_EVERY
    life.now = life.wake
    assert renewed(life.step(ev.Woke())) == ["l"]
    life.renew_ended(next(iter(life.renewals)))
    shown(life, "l", life.now + 1800)
    assert life.wake == life.now + 1800 - RENEW_BEFORE


def test_a_model_that_answers_is_not_renewed_and_what_waits_for_a_renewal_is_foretold():
    life = with_resident("b", rules=SchedulerSettings(idle_unload=None))
    asked = life.ask(chain=("b",))
    assert renewed(shown(life, "b", life.now + 300)) == []
    assert renewed(life.step(ev.Released(asked))) == ["b"]
    head = life.ask(chain=("a",))
    assert life.unloads == {}
    assert life.scheduler.expected(head, life.now) == 1 + 12
    life.renew_ended(next(iter(life.renewals)))
    assert list(life.unloads) != []


def test_a_renewal_that_is_still_to_come_is_foretold_too():
    life = with_resident("l", rules=SchedulerSettings(idle_unload=None))
    life.ask(chain=("l",))
    last = life.ask(chain=("l",))
    shown(life, "l", life.now + 300)
    assert life.scheduler.expected(last, life.now) == 10


def test_a_swap_counts_from_its_first_unload_and_is_forgotten_with_whoever_wanted_it():
    life = with_resident("b")
    state, asked = life.scheduler.state, life.ask(chain=("a",))
    began = life.now
    assert (state.swapping_since("a"), state.swapping_since("b"), state.swapping_since("l")) == (began, began, None)
    life.now += 5
    life.unload_ended(next(iter(life.unloads)))
    assert state.swapping_since("a") == began
    life.load_ended(next(iter(life.loads)))
    assert (state.swaps, granted(life.log[-1][2])) == ({}, [(asked, "a")])
    life.step(ev.Released(asked))
    other = life.ask(chain=("b",))
    life.step(ev.Cancelled(other))
    assert state.swapping_since("b") is not None
    life.unload_ended(next(iter(life.unloads)))
    assert state.swaps == {}


def test_what_the_user_wants_out_drains_and_leaves_though_pinned():
    life = begin()
    life.ask(chain=("a",))
    life.load_ended(1)
    life.step(ev.PinSet("a"))
    life.step(ev.UnloadAsked(("a", "nothing")))
    life.ask(chain=("a",))
    assert life.unloads == {}
    life.step(ev.Released("t1"))
    assert [u.reason for u in life.unloads.values()] == ["asked"]


def test_the_line_has_a_limit_and_a_ticket_is_taken_once():
    life = begin(rules=SchedulerSettings(queue_limit=1))
    life.ask(chain=("a",))
    assert kinds(life.step(ev.Asked(ev.Ticket("t1", ("a",))))) == []
    life.ask(chain=("a",))
    assert refusals(life.log[-1][2]) == [("t2", "queue_full")]
    life.ask(chain=())
    assert life.ended["t3"] == "refused"


def test_patience_takes_a_smaller_model_that_is_there_and_free():
    life = with_resident("l")
    life.ask(chain=("c", "l"), patience=5)
    assert life.wake == 5
    life.now = 5
    life.step(ev.Woke())
    assert life.granted == {"t2": "l"}
    assert life.log[-1][2][0].passed[-1].code == "patience"


def test_patience_that_is_foretold_to_run_out_does_not_wait_for_it():
    life = with_resident("l")
    life.ask(chain=("a", "l"), patience=11)
    assert life.granted == {"t2": "l"}, "a load of 12 s is expected"


def test_a_bigger_or_busy_fallback_is_no_help_to_the_impatient():
    life = with_resident("a")
    life.step(ev.PinSet("a"))
    life.ask(chain=("l", "a"), patience=0)
    assert "t2" in life.waiting


def test_rules_may_change_and_hold_from_then_on():
    scheduler = Scheduler()
    scheduler.rules = SchedulerSettings(heavy_limit=2)
    assert (scheduler.rules.heavy_limit, scheduler.ledger.heavy_limit) == (2, 2)
    assert repr(scheduler) == "Scheduler([], 0 waiting, Leases({}))"


def test_an_outlook_is_for_those_who_wait():
    with pytest.raises(LookupError, match="nobody does not wait"):
        Scheduler().outlook("nobody", 0)


def test_a_model_without_a_spec_that_somebody_else_loaded_serves_while_it_is_there():
    life = begin()
    life.step(ev.Observed(1, (ev.Seen("stranger", 6, None),)))
    life.ask(chain=("stranger",))
    assert life.granted == {"t1": "stranger"}
    life.step(ev.Released("t1"))
    life.step(ev.UnloadAsked(("stranger",)))
    life.ask(chain=("stranger",))
    assert refusals(life.log[-1][2]) == [("t2", "model_missing")]


def test_closing_refuses_those_who_wait_lets_answers_finish_and_leaves_memory_as_it_is():
    life = begin(rules=SchedulerSettings(idle_unload=0.0))
    life.ask(chain=("a",))
    life.load_ended(1)
    life.ask(chain=("b",))
    assert refusals(life.step(ev.Closing())) == [("t2", "shutting_down")]
    assert kinds(life.step(ev.Released("t1"))) == []
    life.ask(chain=("a",))
    assert refusals(life.log[-1][2]) == [("t3", "shutting_down")]
    assert life.wake is None
