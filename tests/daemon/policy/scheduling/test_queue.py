from innkeepd.policy.scheduling.events import Passed, Ticket
from innkeepd.policy.scheduling.group import Waiter
from innkeepd.policy.scheduling.queue import Queue, heads, in_order


def join(queue: Queue, name: str, weights: str, priority: str, now: float) -> Waiter:
    waiter = queue.join(Ticket(name, (weights,), priority), now)
    queue.group_of(name).want(weights)
    return waiter


def names(queue: Queue, now: float, serving: tuple[str, str] | None = None) -> list[str]:
    dues = queue.dues(lambda *each: each == serving, now)
    return [waiter.ticket.id for waiter in in_order(queue.ranked(dues, now))]


def test_class_comes_before_arrival_and_overdue_queues_before_both():
    queue = Queue(90, 600)
    join(queue, "batch", "a", "batch", 0)
    join(queue, "agent", "b", "agent", 1)
    join(queue, "chat", "c", "interactive", 2)
    assert names(queue, 10) == ["chat", "agent", "batch"]
    assert names(queue, 91) == ["agent", "chat", "batch"]
    assert names(queue, 600) == ["agent", "chat", "batch"]


def test_within_a_rank_arrival_decides_whatever_the_group():
    queue = Queue(90, 600)
    for number in range(6):
        join(queue, f"t{number}", "ab"[number % 2], "interactive", number)
    assert names(queue, 10) == [f"t{number}" for number in range(6)]
    ranked = queue.ranked(queue.dues(lambda *_: False, 10), 10)
    assert [group.first.ticket.id for _, group in heads(ranked)] == ["t0", "t1"]


def test_a_queue_ages_from_its_last_turn_and_not_while_it_is_served():
    queue = Queue(90, 600)
    join(queue, "one", "a", "interactive", 0)
    join(queue, "two", "b", "interactive", 1)
    queue.served("a", "interactive", 60)
    assert queue.dues(lambda *_: False, 91) == {("a", "interactive"): 150, ("b", "interactive"): 91}
    assert queue.dues(lambda weights, _: weights == "b", 91)["b", "interactive"] == 181
    assert names(queue, 91) == ["two", "one"]


def test_whoever_leaves_gives_the_place_up_once():
    queue = Queue(90, 600)
    waiter = join(queue, "one", "a", "interactive", 0)
    assert ("one" in queue, len(queue), repr(queue)) == (True, 1, "Queue([('one', 'a')])")
    assert (queue.get("one"), len(queue.groups())) == (waiter, 1)
    assert queue.leave("one") is waiter
    assert queue.leave("one") is None
    assert (queue.get("one"), queue.groups()) == (None, [])


def test_a_twin_shares_nothing_that_changes():
    queue = Queue(90, 600)
    join(queue, "one", "a", "interactive", 0)
    twin = queue.twin()
    twin.group_of("one").want("b")
    twin.served("a", "interactive", 5)
    twin.pass_over(twin.group_of("one"), [Passed("a", "code", "text")])
    twin.leave("one")
    assert [(waiter.wants, waiter.passed) for waiter in queue] == [("a", [])]
    assert queue.dues(lambda *_: False, 0) == {("a", "interactive"): 90}


def test_a_new_turn_holds_from_then_on():
    queue = Queue(90, 600)
    join(queue, "one", "a", "batch", 0)
    queue.configure(10, 20)
    assert queue.dues(lambda *_: False, 0) == {("a", "batch"): 20}


def test_whoever_lacks_the_same_candidates_is_in_one_group_in_the_order_of_arrival():
    queue = Queue(90, 600)
    for number in range(4):
        queue.join(Ticket(f"t{number}", ("a", "b")), number)
        if number % 2:
            queue.pass_over(queue.group_of(f"t{number}"), [Passed("a", "code", f"text {number}")])
            queue.group_of(f"t{number}").want("b")
    [group] = queue.groups()
    assert [waiter.ticket.id for waiter in group.waiters] == ["t0", "t1", "t2", "t3"]
    assert [waiter.passed[0].message for waiter in group.waiters] == ["text 1", "text 1", "text 3", "text 3"]
    assert {waiter.wants for waiter in queue} == {"b"}
    assert repr(group) == "Group(('a', 'b'), interactive, 4 waiting for 'b')"
    assert queue.pass_over(group, []) is group
