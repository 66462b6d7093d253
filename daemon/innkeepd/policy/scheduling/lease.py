"""Who holds what. A promise is recorded when it is made: a granted ticket counts at once, not when it is used."""

from msgspec import Struct

from innkeepd.policy.scheduling.events import Priority, Ticket


class Lease(Struct, frozen=True):
    """The right to use a model until released."""

    ticket: Ticket
    weights: str
    granted: float


class Leases:
    """Every lease, by ticket and by model."""

    def __init__(self) -> None:
        self._by_ticket: dict[str, Lease] = {}
        self._counts: dict[str, int] = {}
        self._serving: dict[tuple[str, Priority], int] = {}

    def __repr__(self) -> str:
        return f"Leases({self._counts})"

    def __contains__(self, ticket: str) -> bool:
        return ticket in self._by_ticket

    def twin(self) -> "Leases":
        """A copy that shares nothing that changes."""
        twin = Leases()
        twin._by_ticket, twin._counts = dict(self._by_ticket), dict(self._counts)
        twin._serving = dict(self._serving)
        return twin

    def grant(self, lease: Lease) -> None:
        """Record a promise."""
        self._by_ticket[lease.ticket.id] = lease
        self._count(lease, 1)

    def release(self, ticket: str) -> Lease | None:
        """Take it back; None for a ticket that holds nothing."""
        lease = self._by_ticket.pop(ticket, None)
        if lease is not None:
            self._count(lease, -1)
        return lease

    def _count(self, lease: Lease, more: int) -> None:
        queue = lease.weights, lease.ticket.priority
        self._counts[lease.weights] = self._counts.get(lease.weights, 0) + more
        self._serving[queue] = self._serving.get(queue, 0) + more

    def count(self, weights: str) -> int:
        """How many use this model."""
        return self._counts.get(weights, 0)

    def serves(self, weights: str, priority: Priority) -> bool:
        """Whether this model answers somebody of this class now."""
        return self._serving.get((weights, priority), 0) > 0

    def of(self, weights: str) -> list[Lease]:
        """The leases of one model."""
        return [lease for lease in self._by_ticket.values() if lease.weights == weights]

    def all(self) -> list[Lease]:
        """Every lease, in the order of their grants."""
        return list(self._by_ticket.values())
