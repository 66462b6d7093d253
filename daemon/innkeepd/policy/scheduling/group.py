"""Waiters that differ by nothing but their arrival: one decision holds for all of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from msgspec import Struct

from innkeepd.policy.scheduling.events import PRIORITIES, Passed, Priority, Ticket

RANK: dict[Priority, int] = {name: rank for rank, name in enumerate(PRIORITIES)}


class Waiter(Struct):
    """A ticket in the queue. ``wants`` is its primary: the best of its chain that can be had.

    ``asked`` is its arrival in seconds on the scheduler's clock, ``order`` the number of its arrival, ``passed`` which
    candidates it can't have, with the reasons.
    """

    ticket: Ticket
    asked: float
    order: int
    wants: str = ""
    passed: list[Passed] = []

    @property
    def rank(self) -> int:
        """Its class as a number, 0 is served first."""
        return RANK[self.ticket.priority]


class Key(Struct, frozen=True):
    """All that a decision about a waiter may depend on, beside its arrival."""

    chain: tuple[str, ...]
    priority: Priority
    need: int
    insist: bool
    patience: float | None
    passed: frozenset[str]
    errand: bool = False
    takes_warm: bool = False


def key_of(ticket: Ticket, passed: frozenset[str]) -> Key:
    """The key of a ticket whose candidates ``passed`` were passed over."""
    kind = (ticket.errand, ticket.takes_warm)
    return Key(ticket.chain, ticket.priority, ticket.need, ticket.insist, ticket.patience, passed, *kind)


def arrival(waiter: Waiter) -> int:
    """The number of its arrival."""
    return waiter.order


class Group:
    """The waiters of one key, in the order of their arrival. All want the same model."""

    def __init__(self, key: Key, wants: str) -> None:
        self.key = key
        self.wants = wants
        self.rank = RANK[key.priority]
        self.waiters: list[Waiter] = []

    def __repr__(self) -> str:
        return f"Group({self.key.chain}, {self.key.priority}, {len(self.waiters)} waiting for {self.wants!r})"

    @property
    def first(self) -> Waiter:
        """Who arrived first."""
        return self.waiters[0]

    def want(self, weights: str) -> None:
        """Have all of them want this model."""
        if weights != self.wants:
            self.wants = weights
            for waiter in self.waiters:
                waiter.wants = weights

    def remove(self, waiter: Waiter) -> None:
        """Remove a member."""
        del self.waiters[self.before(waiter.order)]

    def before(self, order: int) -> int:
        """How many members arrived before that number."""
        return bisect_left(self.waiters, order, key=arrival)

    def after(self, now: float, instant: Callable[[Waiter], float]) -> Waiter | None:
        """The first member whose ``instant`` is later than ``now``; an instant never falls with arrival."""
        at = bisect_right(self.waiters, now, key=instant)
        return self.waiters[at] if at < len(self.waiters) else None

    def until(self, now: float, instant: Callable[[Waiter], float]) -> list[Waiter]:
        """The members whose ``instant`` is ``now`` or earlier; an instant never falls with arrival."""
        return self.waiters[: bisect_right(self.waiters, now, key=instant)]
