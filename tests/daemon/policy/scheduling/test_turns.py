import pytest

from innkeepd.policy.scheduling.events import Ticket
from innkeepd.policy.scheduling.queue import Waiter
from innkeepd.policy.scheduling.residency import RESIDENT, Residency
from innkeepd.policy.scheduling.turns import make_gate, yields


def waiter(name: str, priority: str = "interactive", order: int = 1) -> Waiter:
    return Waiter(Ticket(name, ("a",), priority), 0.0, order, "a", [])


def victim(**facts: object) -> Residency:
    return Residency("a", context=4096, footprint=20, heavy=True, state=RESIDENT, **facts)


def test_the_gate_is_the_first_few_by_class_then_arrival():
    waiters = [waiter("batch", "batch", 1), waiter("late", order=3), waiter("early", order=2), waiter("agent", "agent")]
    assert make_gate(waiters, 3) == ("early", "late", "agent")


@pytest.mark.parametrize(
    ("busy", "overdue", "session_until", "expected"),
    [(True, False, 9.0, True), (False, True, 9.0, True), (False, False, 9.0, False), (False, False, 5.0, True)],
)
def test_without_waiters_it_yields_unless_the_next_turn_of_a_session_is_near(busy, overdue, session_until, expected):
    resident = victim(session_until=session_until)
    assert yields(resident, [], waiter("head"), busy=busy, head_overdue=overdue, now=5.0) is expected


@pytest.mark.parametrize(
    ("started", "own", "gate", "overdue", "expected"),
    [
        (0, "interactive", (), True, False),
        (1, "batch", ("own",), False, True),
        (1, "interactive", (), False, False),
        (1, "interactive", (), True, True),
        (1, "interactive", ("own",), True, False),
    ],
)
def test_with_waiters_it_serves_its_gate_first(started, own, gate, overdue, expected):
    resident = victim(started=started, gate=gate)
    answer = yields(resident, [waiter("own", own)], waiter("head"), busy=False, head_overdue=overdue, now=5.0)
    assert answer is expected


def test_a_gate_of_a_lower_class_does_not_keep_an_overdue_head_waiting():
    resident = victim(started=1, gate=("batch",))
    own = [waiter("batch", "batch"), waiter("chat")]
    assert yields(resident, own, waiter("head"), busy=True, head_overdue=True, now=5.0) is True
