from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.settings import SchedulerSettings
from support.scheduler_run import begin


def test_a_twin_shares_nothing_that_changes():
    life = begin()
    life.ask(chain=("a",))
    state = life.scheduler.state
    twin = state.twin()
    twin.queue.leave("t1")
    twin.ledger.residents.clear()
    twin.cooling["a"] = twin.gone["a"] = None
    assert (len(state.queue), list(state.ledger.residents), state.cooling, state.gone) == (1, ["a"], {}, {})


def test_the_context_is_what_the_most_demanding_waiter_needs():
    life = begin()
    life.ask(chain=("l",))
    life.ask(chain=("b",), need=9000)
    state = life.scheduler.state
    assert (state.context_for("b"), state.context_for("a")) == (16384, 4096)


def test_idleness_ends_after_the_later_of_the_limit_and_the_sessions_next_turn():
    life = begin(rules=SchedulerSettings(idle_unload=2.0))
    life.ask(chain=("a",), session="s", last=False)
    life.load_ended(1)
    life.step(ev.Released("t1"))
    state = life.scheduler.state
    resident = state.ledger.residents["a"]
    assert state.idle_at(resident) == 6.0
    life.step(ev.PinSet("a"))
    assert state.idle_at(resident) is None
    state.configure(SchedulerSettings(idle_unload=None))
    assert state.idle_at(resident) is None


def test_fifo_orders_by_arrival_alone():
    life = begin(rules=SchedulerSettings(order="fifo"))
    life.ask(chain=("a",), priority="batch")
    life.ask(chain=("b",))
    assert [waiter.ticket.id for waiter in life.scheduler.state.ordered(0)] == ["t1", "t2"]
    life.scheduler.rules = SchedulerSettings()
    assert [waiter.ticket.id for waiter in life.scheduler.state.ordered(0)] == ["t2", "t1"]


def test_a_hold_is_borne_from_the_later_of_both_beginnings():
    life = begin()
    life.ask(chain=("a",))
    life.now = 10
    life.step(ev.HoldBegan(500))
    life.now = 20
    life.ask(chain=("a",), patience=5)
    state = life.scheduler.state
    assert [state.bears_hold_until(waiter) for waiter in state.queue] == [70, 25]
    assert (state.is_barred("a", "interactive", 0), state.is_barred("r", "interactive", 0)) == (True, False)
