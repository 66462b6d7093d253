"""Who waits, and in which order: by *queues* (model, class), by the last time each was served, never by luck.

A queue's ``due`` is ``max(oldest arrival, last served) + W``: it ages from its last turn, not from its arrival, or a
batch of two hundred would always be overdue. One order serves every choice: overdue queues first (earliest due), then
class, then arrival.

Waiters are kept in groups (``group.py``), whose members differ by nothing but their arrival. So a decision costs as
much as there are groups, a handful, however many wait.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from typing import TypeAlias

from msgspec import structs

from innkeepd.policy.scheduling.events import Passed, Priority, Ticket
from innkeepd.policy.scheduling.group import Group, Key, Waiter, arrival, key_of

Rank: TypeAlias = tuple[int, float]
"""Where a queue stands in the one order: (0, its due) where it is overdue, else (1, its class). The lower first."""


class Queue:
    """The waiters by ticket, in the order of their arrival, and by group."""

    def __init__(self, turn: float, batch_turn: float) -> None:
        self.configure(turn, batch_turn)
        self._waiters: dict[str, Waiter] = {}
        self._groups: dict[Key, Group] = {}
        self._group_of: dict[str, Group] = {}
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

    def configure(self, turn: float, batch_turn: float) -> None:
        """Set W of each class, in seconds."""
        self._turn: dict[Priority, float] = {"interactive": turn, "agent": turn, "batch": batch_turn}

    def twin(self) -> "Queue":
        """Return a copy that shares nothing that changes."""
        twin = Queue(0.0, 0.0)
        twin._turn, twin._served, twin._arrivals = self._turn, dict(self._served), self._arrivals
        twin._waiters = {
            name: structs.replace(waiter, passed=list(waiter.passed)) for name, waiter in self._waiters.items()
        }
        for key, group in self._groups.items():
            copied = twin._groups[key] = Group(key, group.wants)
            copied.waiters = [twin._waiters[waiter.ticket.id] for waiter in group.waiters]
            twin._group_of |= {waiter.ticket.id: copied for waiter in group.waiters}
        return twin

    # ---- changes ----

    def join(self, ticket: Ticket, now: float) -> Waiter:
        """Add a waiter at the end."""
        self._arrivals += 1
        waiter = Waiter(ticket, now, self._arrivals, passed=[])
        self._waiters[ticket.id] = waiter
        self._put([waiter], key_of(ticket, frozenset()), "")
        return waiter

    def leave(self, ticket: str) -> Waiter | None:
        """Remove a waiter; None for a ticket that does not wait."""
        waiter = self._waiters.pop(ticket, None)
        if waiter is not None:
            group = self._group_of.pop(ticket)
            group.remove(waiter)
            if not group.waiters:
                del self._groups[group.key]
        return waiter

    def pass_over(self, group: Group, entries: Iterable[Passed]) -> Group:
        """Note for a whole group which candidates it can't have; returns the group that its members are in then.

        Each member is moved at most once for each candidate of its chain.
        """
        entries = list(entries)
        if not entries:
            return group
        for waiter in group.waiters:
            waiter.passed.extend(entries)
        del self._groups[group.key]
        passed = group.key.passed.union(entry.weights for entry in entries)
        waiters, group.waiters = group.waiters, []
        return self._put(waiters, structs.replace(group.key, passed=passed), group.wants)

    def served(self, weights: str, priority: Priority, now: float) -> None:
        """Note that this queue was being served until now."""
        self._served[weights, priority] = now

    def _put(self, waiters: list[Waiter], key: Key, wants: str) -> Group:
        """Put waiters into the group of that key, made where there is none; there they want what the others want."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key, wants)
        for waiter in waiters:
            waiter.wants = group.wants
            insort(group.waiters, waiter, key=arrival)
            self._group_of[waiter.ticket.id] = group
        return group

    # ---- for readers ----

    def get(self, ticket: str) -> Waiter | None:
        """The waiter of a ticket; None where it does not wait."""
        return self._waiters.get(ticket)

    def group_of(self, ticket: str) -> Group:
        """The group of a ticket that waits. Raises ``KeyError`` for another."""
        return self._group_of[ticket]

    def groups(self) -> list[Group]:
        """All groups; none is empty."""
        return list(self._groups.values())

    def dues(self, is_served: Callable[[str, Priority], bool], now: float) -> dict[tuple[str, Priority], float]:
        """When each queue is due. ``is_served`` tells whether one of the queue is being answered at this moment."""
        oldest: dict[tuple[str, Priority], float] = {}
        for group in self._groups.values():
            queue, asked = (group.wants, group.key.priority), group.first.asked
            oldest[queue] = min(oldest.get(queue, asked), asked)
        return {
            queue: max(asked, now if is_served(*queue) else self._served.get(queue, asked)) + self._turn[queue[1]]
            for queue, asked in oldest.items()
        }

    def ranked(self, dues: dict[tuple[str, Priority], float], now: float) -> list[tuple[Rank, Group]]:
        """Every group with its rank in the one order; within a rank arrival decides."""
        return [(self._rank(group, dues[group.wants, group.key.priority], now), group) for group in self.groups()]

    @staticmethod
    def _rank(group: Group, due: float, now: float) -> Rank:
        return (0, due) if due <= now else (1, group.rank)


def heads(ranked: list[tuple[Rank, Group]]) -> list[tuple[Rank, Group]]:
    """Groups in the one order of their first members."""
    return sorted(ranked, key=lambda entry: (entry[0], entry[1].first.order))


def in_order(ranked: list[tuple[Rank, Group]]) -> list[Waiter]:
    """Every waiter of these groups in the one order."""
    columns = [[(rank, waiter.order, waiter) for waiter in group.waiters] for rank, group in ranked]
    return [waiter for _, _, waiter in merge(*columns)]
