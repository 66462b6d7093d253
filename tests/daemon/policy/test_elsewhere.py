"""Models on other machines, as the scheduler treats them: always there, until they fail."""

import pytest

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.scheduler import Scheduler, SchedulerSettings
from innkeepd.policy.scheduling.transitions import COOLS

FAR = ev.Spec("far/70b", "far/70b", ((0, 0),), 0, parallel=2, remote=True, engine="far")
NEAR = ev.Spec("8b", "8b", ((4096, 6),))


def begun(*specs, rules=None):
    scheduler = Scheduler(rules)
    scheduler.step(ev.Known(specs or (FAR, NEAR)), 0)
    scheduler.step(ev.Measured(27), 0)
    return scheduler


def ask(scheduler, name, now=0.0, chain=("far/70b", "8b"), **spec):
    actions = scheduler.step(ev.Asked(ev.Ticket(name, chain, **spec)), now)
    return [action for action in actions if not isinstance(action, ev.WakeAt)]


def test_a_remote_model_is_granted_at_once_and_touches_no_memory():
    scheduler = begun()
    scheduler.step(ev.Observed(0, (ev.Seen("8b", 6, 4096),)), 0)
    assert ask(scheduler, "a") == [ev.Grant("a", "far/70b", 0)]
    assert list(scheduler.ledger.residents) == ["8b"]


def test_one_that_failed_is_passed_over_until_it_has_cooled_then_tried_again():
    scheduler = begun()
    scheduler.step(ev.Judged("far/70b", "backend_unreachable", "connection refused"), 10)
    assert ask(scheduler, "a", 11) == [ev.Load(1, "8b", 4096)]
    (grant,) = [a for a in scheduler.step(ev.LoadEnded(1), 12) if isinstance(a, ev.Grant)]
    text = "not tried again for 59 s after: connection refused"
    assert (grant.weights, grant.passed) == ("8b", (ev.Passed("far/70b", "backend_unreachable", text),))
    assert ask(scheduler, "b", 71) == [ev.Grant("b", "far/70b", 0)]


def test_cooling_doubles_with_each_failure_but_requests_that_fail_together_are_one():
    scheduler = begun()
    for now in (0, 1, 2):
        scheduler.step(ev.Judged("far/70b", "backend_error", "500"), now)
    assert scheduler.cooling["far/70b"].until == 60
    scheduler.step(ev.Judged("far/70b", "backend_error", "500"), 61)
    assert scheduler.cooling["far/70b"].until == 61 + 120


def test_an_answer_ends_the_cooling_and_its_history():
    scheduler = begun()
    scheduler.step(ev.Judged("far/70b", "stalled", "no token"), 0)
    scheduler.step(ev.Judged("far/70b"), 1)
    assert scheduler.cooling == {}
    assert ask(scheduler, "a", 2) == [ev.Grant("a", "far/70b", 0)]


@pytest.mark.parametrize("code", ["queue_full", "context_overflow", "unsupported", "bad_request", "cancelled"])
def test_failures_of_the_request_itself_cool_nothing(code):
    scheduler = begun()
    scheduler.step(ev.Judged("far/70b", code, "words"), 0)
    assert (scheduler.cooling, code in COOLS) == ({}, False)


def test_a_local_model_is_not_judged_by_its_answers():
    scheduler = begun()
    scheduler.step(ev.Judged("8b", "backend_error", "words"), 0)
    scheduler.step(ev.Judged("nobody", "backend_error", "words"), 0)
    assert scheduler.cooling == {}


def test_where_it_is_all_there_is_the_reason_is_told():
    scheduler = begun()
    scheduler.step(ev.Judged("far/70b", "backend_unreachable", "connection refused"), 0)
    (refusal,) = ask(scheduler, "a", 1, chain=("far/70b",))
    assert (refusal.code, "connection refused" in refusal.message) == ("backend_unreachable", True)


def test_the_models_of_one_engine_share_its_limit():
    scheduler = begun(FAR, ev.Spec("far/8b", "far/8b", ((0, 0),), 0, parallel=2, remote=True, engine="far"), NEAR)
    grants = [
        ask(scheduler, name, chain=(model,)) for name, model in zip("abc", ("far/70b", "far/8b") * 2, strict=False)
    ]
    assert [bool(each) for each in grants] == [True, True, False]
    assert scheduler.outlook("c", 0).reason == "1st in line; far/70b is answering 2"
    assert [a.ticket for a in scheduler.step(ev.Released("b"), 1) if isinstance(a, ev.Grant)] == ["c"]


def test_who_would_run_out_of_patience_with_a_full_engine_takes_what_stands_free_here():
    scheduler = begun()
    scheduler.step(ev.Observed(0, (ev.Seen("8b", 6, 4096),)), 0)
    for name in "ab":
        ask(scheduler, name)
    assert ask(scheduler, "b2") == []
    assert ask(scheduler, "c", patience=5) == []
    (grant,) = [action for action in scheduler.step(ev.Woke(), 5) if isinstance(action, ev.Grant)]
    assert (grant.weights, grant.passed[0].code) == ("8b", "patience")


def test_a_hold_keeps_local_models_out_and_lets_the_remote_one_serve():
    scheduler = begun()
    scheduler.step(ev.HoldBegan(1000), 0)
    assert ask(scheduler, "a", 1, chain=("8b", "far/70b")) == [ev.Grant("a", "far/70b", 0)]


def test_during_a_hold_a_remote_model_that_has_just_failed_is_not_tried():
    scheduler = begun(rules=SchedulerSettings())
    scheduler.step(ev.Judged("far/70b", "backend_unreachable", "refused"), 0)
    scheduler.step(ev.HoldBegan(1000), 0)
    assert ask(scheduler, "a", 1, chain=("8b", "far/70b"), patience=5) == []
    (refusal,) = [a for a in scheduler.step(ev.Woke(), 7) if isinstance(a, ev.Refuse)]
    assert refusal.code == "on_hold"


def test_nobody_runs_out_of_patience_into_a_remote_model_that_has_just_failed():
    heavy = ev.Spec("32b", "32b", ((4096, 20),), heavy=True)
    scheduler = begun(FAR, heavy)
    scheduler.step(ev.Judged("far/70b", "backend_unreachable", "refused"), 0)
    assert ask(scheduler, "a", 1, chain=("32b", "far/70b"), patience=5) == [ev.Load(1, "32b", 4096)]
    assert [a for a in scheduler.step(ev.Woke(), 7) if isinstance(a, ev.Grant)] == []
    assert [a.weights for a in scheduler.step(ev.Woke(), 61) if isinstance(a, ev.Grant)] == ["far/70b"]
