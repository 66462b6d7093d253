from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.timers import next_timer, of_residents, of_waiters
from support.scheduler_run import begin


def test_a_resident_has_the_end_of_its_idleness_and_of_its_rest_unless_it_works_or_is_pinned():
    life = begin()
    life.ask(chain=("a",))
    life.load_ended(1)
    state = life.scheduler.state
    state.ledger.residents["a"].rest_until = 7
    assert list(of_residents(state)) == [7]
    life.step(ev.Released("t1"))
    assert list(of_residents(state)) == [7, 300]
    life.step(ev.PinSet("a"))
    assert list(of_residents(state)) == [7]


def test_a_waiter_has_its_turn_its_patience_and_the_session_that_keeps_it_out():
    life = begin()
    life.ask(chain=("a",), session="s", last=False)
    life.load_ended(1)
    life.step(ev.Released("t1"))
    life.now = 1
    life.ask(chain=("b",), patience=50)
    life.step(ev.Known(()))
    state = life.scheduler.state
    assert list(of_waiters(state, 1)) == []
    assert life.ended["t2"] == "refused"
    life = begin()
    life.ask(chain=("a",), session="s", last=False)
    life.load_ended(1)
    life.step(ev.Released("t1"))
    life.ask(chain=("b",), patience=50)
    assert list(of_waiters(life.scheduler.state, 0)) == [6, 90, 50]


def test_a_hold_has_its_own_end_and_what_each_bears():
    life = begin()
    life.step(ev.HoldBegan(500))
    life.ask(chain=("a",))
    life.ask(chain=("a",), patience=5)
    assert list(of_waiters(life.scheduler.state, 0)) == [500, 60, 5]


def test_the_next_timer_lies_ahead_and_is_finite():
    life = begin()
    state = life.scheduler.state
    assert next_timer(state, 0) is None
    life.step(ev.HoldBegan(float("inf")))
    assert next_timer(state, 0) is None
    life.ask(chain=("a",), patience=9)
    assert (next_timer(state, 0), next_timer(state, 9)) == (9, None)
    life.step(ev.Closing())
    assert next_timer(state, 0) is None
