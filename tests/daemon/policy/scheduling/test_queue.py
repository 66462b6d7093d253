from innkeepd.policy.scheduling.events import Ticket
from innkeepd.policy.scheduling.queue import Queue, Waiter, in_order


def join(line: Queue, name: str, weights: str, priority: str, now: float) -> Waiter:
    waiter = line.join(Ticket(name, (weights,), priority), now)
    waiter.wants = weights
    return waiter


def names(line: Queue, now: float, serving: tuple[str, str] | None = None) -> list[str]:
    dues = line.dues(now, lambda *queue: queue == serving)
    return [waiter.ticket.id for waiter in in_order(list(line), dues, now)]


def test_class_comes_before_arrival_and_overdue_queues_before_both():
    line = Queue(90, 600)
    join(line, "batch", "a", "batch", 0)
    join(line, "agent", "b", "agent", 1)
    join(line, "chat", "c", "interactive", 2)
    assert names(line, 10) == ["chat", "agent", "batch"]
    assert names(line, 91) == ["agent", "chat", "batch"]
    assert names(line, 600) == ["agent", "chat", "batch"]


def test_a_queue_ages_from_its_last_turn_and_not_while_it_is_served():
    line = Queue(90, 600)
    join(line, "one", "a", "interactive", 0)
    join(line, "two", "b", "interactive", 1)
    line.served("a", "interactive", 60)
    assert line.dues(91, lambda *_: False) == {("a", "interactive"): 150, ("b", "interactive"): 91}
    assert line.dues(91, lambda weights, _: weights == "b")["b", "interactive"] == 181
    assert names(line, 91) == ["two", "one"]


def test_whoever_leaves_gives_the_place_up_once():
    line = Queue(90, 600)
    waiter = join(line, "one", "a", "interactive", 0)
    assert ("one" in line, len(line), repr(line)) == (True, 1, "Queue([('one', 'a')])")
    assert line.leave("one") is waiter
    assert line.leave("one") is None


def test_a_twin_shares_nothing_that_changes():
    line = Queue(90, 600)
    join(line, "one", "a", "interactive", 0)
    twin = line.twin()
    next(iter(twin)).wants = "b"
    twin.served("a", "interactive", 5)
    twin.leave("one")
    assert [waiter.wants for waiter in line] == ["a"]
    assert line.dues(0, lambda *_: False) == {("a", "interactive"): 90}


def test_a_new_turn_holds_from_then_on():
    line = Queue(90, 600)
    join(line, "one", "a", "batch", 0)
    line.obey(10, 20)
    assert line.dues(0, lambda *_: False) == {("a", "batch"): 20}
