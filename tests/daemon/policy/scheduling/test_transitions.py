from innkeepd.policy.scheduling import events as ev
from support.scheduler_run import MODELS, SchedulerRun, begin


def resident_life() -> SchedulerRun:
    """``a`` is in memory since 10, used last at 10."""
    life = begin()
    life.ask(chain=("a",))
    life.now = 10
    life.load_ended(1)
    life.step(ev.Released("t1"))
    return life


def seen(expires: float, weights: str = "a") -> tuple[ev.Seen, ...]:
    return (ev.Seen(weights, 20, 4096, expires),)


def test_an_answer_older_than_the_load_says_nothing_of_it():
    life = resident_life()
    life.now = 20
    life.step(ev.Observed(9, ()))
    assert "a" in life.scheduler.ledger.residents
    life.step(ev.Observed(11, ()))
    assert "a" not in life.scheduler.ledger.residents


def test_an_answer_older_than_the_unload_brings_nothing_back():
    life = resident_life()
    life.step(ev.UnloadAsked(("a",)))
    life.now = 20
    life.unload_ended(2)
    life.step(ev.Observed(19, seen(99)))
    assert "a" not in life.scheduler.ledger.residents
    life.step(ev.Observed(21, seen(99)))
    assert life.scheduler.ledger.residents["a"].owned is False


def test_a_load_that_failed_or_is_unknown_leaves_nothing():
    life = begin()
    life.ask(chain=("a",))
    life.load_ended(7)
    assert life.scheduler.ledger.is_loading() is False or 1 in life.loads
    life.load_ended(1, "load_failed")
    assert life.scheduler.ledger.residents == {}


def test_a_size_that_ollama_does_not_tell_is_estimated_and_never_learned():
    life = begin()
    life.step(ev.Observed(1, (ev.Seen("a", 0, 4096), ev.Seen("nobody", 0))))
    daemon = life.scheduler.ledger
    assert (daemon.residents["a"].footprint, daemon.residents["nobody"].footprint) == (20, 0)
    assert daemon.residents["a"].heavy
    assert daemon._learned == {}
    life.now = 5
    life.step(ev.Observed(5, ()))
    life.ask(chain=("a",))
    life.load_ended(1)
    assert (daemon.residents["a"].footprint, daemon._learned) == (20, {})


def test_a_model_that_grows_while_it_is_loaded_counts_with_the_most_that_was_seen():
    life = resident_life()
    for at, size in ((11, 20), (12, 24), (13, 22)):
        life.now = at
        life.step(ev.Observed(at, (ev.Seen("a", size, 4096, 99),)))
    daemon = life.scheduler.ledger
    assert (daemon.residents["a"].footprint, daemon.bytes_for("a", 4096)) == (24, 24)


def test_a_load_given_up_cools_nothing():
    life = begin()
    life.ask(chain=("a",))
    life.load_ended(1, "cancelled")
    assert life.scheduler.cooling == {}


def test_somebody_elses_requests_keep_a_model_from_being_idle_and_our_own_do_not_count_twice():
    life = resident_life()
    resident = life.scheduler.ledger.residents["a"]
    for at, expires, used in ((12, 100, 10), (14, 200, 14), (16, 200, 14)):
        life.now = at
        life.step(ev.Observed(at, seen(expires)))
        assert resident.used == used
    life.ask(chain=("a",))
    life.now = 18
    life.step(ev.Observed(18, seen(300)))
    assert resident.used == 16
    life.now = 20
    life.step(ev.Released("t2"))
    life.now = 22
    life.step(ev.Observed(22, seen(400)))
    assert resident.used == 20, "our own request moved that end"


def test_a_model_that_vanished_under_a_lease_keeps_its_place_until_the_lease_ends():
    life = begin()
    life.ask(chain=("a",))
    life.load_ended(1)
    life.now = 5
    life.step(ev.Observed(5, ()))
    # The request that holds the lease may be bringing it back: another heavy one beside it would be the second.
    life.ask(chain=("b",))
    assert not life.loads
    life.now = 6
    life.step(ev.Released("t1"))
    assert life.scheduler.leases.all() == []
    life.settle()
    assert life.ended["t2"] == "granted"
    life.step(ev.Observed(life.now, ()))
    assert not life.scheduler.ledger.residents


def test_a_session_with_another_turn_holds_its_model_and_its_last_turn_does_not():
    life = begin()
    for last, until in ((False, 6.0), (True, 0.0)):
        ticket = life.ask(chain=("a",), session="s", last=last)
        if life.loads:
            life.load_ended(1)
        life.step(ev.Released(ticket))
        assert life.scheduler.ledger.residents["a"].session_until == until


def test_an_adopted_model_is_heavy_by_its_spec_or_by_its_size():
    life = begin()
    life.step(ev.Observed(1, (ev.Seen("m", 20), ev.Seen("big", 14, 4096), ev.Seen("small", 1, 4096))))
    residents = life.scheduler.ledger.residents
    assert [(name, residents[name].heavy) for name in residents] == [("m", False), ("big", True), ("small", False)]
    assert residents["m"].context == MODELS["m"].context


def test_all_local_candidates_are_passed_once_and_remote_ones_stay():
    life = begin()
    life.ask(chain=("a", "l", "l"))
    life.load_ended(1, "backend_unreachable")
    [refused] = [action for action in life.log[-1][2] if isinstance(action, ev.Refuse)]
    assert [(passed.weights, passed.code) for passed in refused.passed] == [
        ("a", "backend_unreachable"),
        ("l", "backend_unreachable"),
    ]


def test_ids_that_nobody_knows_change_nothing():
    life = begin()
    for event in (ev.Cancelled("x"), ev.Released("x"), ev.LoadEnded(9), ev.UnloadEnded(9), ev.UnloadAsked(("x",))):
        assert life.step(event) == []


def test_an_unload_that_nobody_wants_any_more_lets_the_model_stay():
    life = resident_life()
    life.ask(chain=("a",))
    life.step(ev.UnloadAsked(("a",)))
    life.step(ev.UnloadDropped(("a", "nothing")))
    assert not life.scheduler.ledger.residents["a"].leaving
    life.step(ev.Released("t2"))
    assert life.scheduler.ledger.residents["a"].is_resident
