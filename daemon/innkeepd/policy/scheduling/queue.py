"""Who waits, and in which order: by *queues* (model, class), by the last time each was served, never by luck.

A queue's ``due`` is ``max(oldest arrival, last served) + W``: it ages from its last turn, not from its arrival, or a
batch of two hundred would always be overdue. One order serves every choice: overdue queues first (earliest due), then
class, then arrival.
"""

from collections.abc import Callable, Iterator
from copy import copy

from msgspec import Struct, structs

from innkeepd.policy.scheduling.events import PRIORITIES, Passed, Priority, Ticket

RANK: dict[Priority, int] = {name: rank for rank, name in enumerate(PRIORITIES)}


class Waiter(Struct):
    """A ticket in the queue. ``wants`` is its primary: the best of its chain that can be had."""

    ticket: Ticket
    asked: float
    order: int
    wants: str = ""
    passed: list[Passed] = []

    @property
    def rank(self) -> int:
        """Its class as a number, 0 is served first."""
        return RANK[self.ticket.priority]


class Queue:
    """The waiting, in the order of their arrival."""

    def __init__(self, turn: float, batch_turn: float) -> None:
        self.obey(turn, batch_turn)
        self._waiters: dict[str, Waiter] = {}
        self._served: dict[tuple[str, str], float] = {}
        self._arrivals = 0

    def __repr__(self) -> str:
        return f"Queue({[(w.ticket.id, w.wants) for w in self]})"

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        return iter(self._waiters.values())

    def __contains__(self, ticket: str) -> bool:
        return ticket in self._waiters

    def obey(self, turn: float, batch_turn: float) -> None:
        """W of each class, in seconds."""
        self._turn: dict[Priority, float] = {"interactive": turn, "agent": turn, "batch": batch_turn}

    def twin(self) -> "Queue":
        """A copy that shares nothing that changes."""
        twin = copy(self)
        copies = {name: structs.replace(waiter, passed=list(waiter.passed)) for name, waiter in self._waiters.items()}
        twin._waiters, twin._served = copies, dict(self._served)  # noqa: SLF001 - its own class
        return twin

    def join(self, ticket: Ticket, now: float) -> Waiter:
        """Take a place at the end."""
        self._arrivals += 1
        waiter = Waiter(ticket, now, self._arrivals, passed=[])
        self._waiters[ticket.id] = waiter
        return waiter

    def leave(self, ticket: str) -> Waiter | None:
        """Give a place up; None for a ticket that does not wait."""
        return self._waiters.pop(ticket, None)

    def served(self, weights: str, priority: Priority, now: float) -> None:
        """Note that this queue was being served until now."""
        self._served[weights, priority] = now

    def dues(self, now: float, is_served: Callable[[str, Priority], bool]) -> dict[tuple[str, Priority], float]:
        """When each queue is due. ``is_served`` tells whether one of the queue is being answered at this moment."""
        oldest: dict[tuple[str, Priority], float] = {}
        for waiter in self:
            oldest.setdefault((waiter.wants, waiter.ticket.priority), waiter.asked)
        return {
            queue: max(asked, now if is_served(*queue) else self._served.get(queue, asked)) + self._turn[queue[1]]
            for queue, asked in oldest.items()
        }


def in_order(waiters: list[Waiter], dues: dict[tuple[str, Priority], float], now: float) -> list[Waiter]:
    """The one order: overdue queues by their due, then class, then arrival."""

    def place(waiter: Waiter) -> tuple[int, float, int]:
        due = dues[waiter.wants, waiter.ticket.priority]
        return (0, due, waiter.order) if due <= now else (1, waiter.rank, waiter.order)

    return sorted(waiters, key=place)
