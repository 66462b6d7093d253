from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.patience import smaller_for
from innkeepd.policy.scheduling.queue import Waiter
from support.inns import Life, begin


def waiting(life: Life, *chain: str, need: int = 0) -> Waiter:
    return Waiter(ev.Ticket("w", chain, need=need), 0.0, 1, chain[0], [])


def test_a_smaller_model_that_is_there_and_free_will_do_and_no_other():
    life = begin()
    life.step(ev.Observed(1, (ev.Seen("l", 6, 4096), ev.Seen("m", 3, 4096))))
    inn = life.scheduler.inn
    assert smaller_for(inn, waiting(life, "a", "b", "l", "m"), set(), 0) == "l"
    assert smaller_for(inn, waiting(life, "a", "l", "m"), {"l"}, 0) == "m", "what makes room takes nobody new"
    assert smaller_for(inn, waiting(life, "a", "l", need=8192), set(), 0) is None, "its context is too small"
    assert smaller_for(inn, waiting(life, "m", "l"), set(), 0) is None, "a bigger one is no help"
    passed = waiting(life, "a", "l")
    passed.passed.append(ev.Passed("l", "load_failed", "text"))
    assert smaller_for(inn, passed, set(), 0) is None, "it was tried already"
    life.ask(chain=("l",))
    assert smaller_for(inn, waiting(life, "a", "l"), set(), 0) is None, "its slot is taken"
