from innkeepd.policy.scheduling.events import Ticket
from innkeepd.policy.scheduling.group import Group, Waiter, key_of


def asked(waiter: Waiter) -> float:
    return waiter.asked


def test_members_are_found_by_their_arrival_and_by_an_instant_of_theirs():
    ticket = Ticket("t", ("a",), "agent")
    group = Group(key_of(ticket, frozenset()), "a")
    group.waiters = [Waiter(ticket, 10.0 * order, order) for order in (1, 3, 4)]
    assert (group.rank, group.first.order, group.before(1), group.before(3), group.before(9)) == (1, 1, 0, 1, 3)
    assert [waiter.order for waiter in group.until(30, asked)] == [1, 3]
    assert group.after(30, asked) is group.waiters[2]
    assert group.after(40, asked) is None
    group.remove(group.waiters[1])
    assert [waiter.order for waiter in group.waiters] == [1, 4]
