from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.candidates import smaller_for
from innkeepd.policy.scheduling.queue import Waiter
from support.scheduler_run import SchedulerRun, begin


def wants(life: SchedulerRun, name: str = "t1") -> str:
    return next(waiter.wants for waiter in life.scheduler.queue if waiter.ticket.id == name)


def refused(life: SchedulerRun) -> list[tuple[str, str]]:
    return [(a.ticket, a.code) for a in life.log[-1][2] if isinstance(a, ev.Refuse)]


def test_the_best_of_the_chain_that_can_be_had_is_wanted_and_the_others_are_on_record():
    life = begin()
    life.ask(chain=("h", "unknown", "h", "a"))
    [waiter] = life.scheduler.queue
    assert (waiter.wants, [passed.weights for passed in waiter.passed]) == ("a", ["h", "unknown"])


def test_who_can_have_nothing_is_refused_with_the_last_reason():
    life = begin()
    life.ask(chain=("h", "unknown"))
    assert refused(life) == [("t1", "model_missing")]
    life.ask(chain=())
    assert refused(life) == [("t2", "unknown_model")]


def test_a_hold_sends_to_another_machine_and_else_keeps_waiting_for_the_best():
    life = begin()
    life.step(ev.HoldBegan(1000))
    life.ask(chain=("a", "l"))
    assert wants(life) == "a"
    life.ask(chain=("a", "r"))
    assert life.granted == {"t2": "r"}
    life.ask(chain=("r",))
    life.ask(chain=("a", "r"))
    assert wants(life, "t4") == "r", "both places there are taken: it waits for one of them"
    life.now = 60
    life.step(ev.Woke())
    assert refused(life) == [("t1", "on_hold")]


def test_nobody_waits_for_a_daemon_that_leaves():
    life = begin()
    life.ask(chain=("a",))
    life.step(ev.Closing())
    assert refused(life) == [("t1", "shutting_down")]


def waiting(life: SchedulerRun, *chain: str, need: int = 0) -> Waiter:
    return Waiter(ev.Ticket("w", chain, need=need), 0.0, 1, chain[0], [])


def test_a_smaller_model_that_is_there_and_free_will_do_and_no_other():
    life = begin()
    life.step(ev.Observed(1, (ev.Seen("l", 6, 4096), ev.Seen("m", 3, 4096))))
    state = life.scheduler.state
    assert smaller_for(state, waiting(life, "a", "b", "l", "m"), set(), 0) == "l"
    assert smaller_for(state, waiting(life, "a", "l", "m"), {"l"}, 0) == "m", "what makes room takes nobody new"
    assert smaller_for(state, waiting(life, "a", "l", need=8192), set(), 0) is None, "its context is too small"
    assert smaller_for(state, waiting(life, "m", "l"), set(), 0) is None, "a bigger one is no help"
    passed = waiting(life, "a", "l")
    passed.passed.append(ev.Passed("l", "load_failed", "text"))
    assert smaller_for(state, passed, set(), 0) is None, "it was tried already"
    life.ask(chain=("l",))
    assert smaller_for(state, waiting(life, "a", "l"), set(), 0) is None, "its slot is taken"
