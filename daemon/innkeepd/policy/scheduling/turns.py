"""Whether a resident yields its place in memory: the heart of the policy.

Swapping for each request in order wastes the machine; serving the resident first starves the other. So a resident keeps
its place for a *turn*: it serves its **gate** (the first G waiters when its load completed), and it yields once
somebody has been due for longer than W since its queue was last served. A session with another turn to come holds its
model for H seconds.
"""

from collections.abc import Iterable

from innkeepd.policy.scheduling.group import RANK, Waiter
from innkeepd.policy.scheduling.residency import Residency


def make_gate(waiters: Iterable[Waiter], size: int) -> tuple[str, ...]:
    """The first ``size`` of a model's waiters at the end of its load, by class, then arrival."""
    first = sorted(waiters, key=lambda waiter: (waiter.rank, waiter.order))[:size]
    return tuple(waiter.ticket.id for waiter in first)


def yields(
    victim: Residency, its_waiters: list[Waiter], head: Waiter, *, busy: bool, head_overdue: bool, now: float
) -> bool:
    """Whether ``victim`` makes room for ``head``.

    ``its_waiters`` wait for the victim itself: at least one of each class that does, and all of its gate that do.
    ``busy`` tells whether it is answering somebody now.
    """
    if not its_waiters:
        return busy or head_overdue or victim.session_until <= now
    if victim.started == 0:
        # It was loaded for somebody who has not even begun: to give way now is to live in the swap for ever.
        return False
    rank = RANK[head.ticket.priority]
    if all(waiter.rank > rank for waiter in its_waiters):
        return True
    return head_overdue and not any(w.rank <= rank and w.ticket.id in victim.gate for w in its_waiters)
