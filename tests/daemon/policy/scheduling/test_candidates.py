from innkeepd.policy.scheduling import events as ev
from support.inns import Life, begin


def wants(life: Life, name: str = "t1") -> str:
    return next(waiter.wants for waiter in life.scheduler.line if waiter.ticket.id == name)


def refused(life: Life) -> list[tuple[str, str]]:
    return [(a.ticket, a.code) for a in life.log[-1][2] if isinstance(a, ev.Refuse)]


def test_the_best_of_the_chain_that_can_be_had_is_wanted_and_the_others_are_on_record():
    life = begin()
    life.ask(chain=("h", "unknown", "h", "a"))
    [waiter] = life.scheduler.line
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
