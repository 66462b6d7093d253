"""What a waiter is shown: its position in the queue, who is ahead, what is under way, how long it may take."""

from collections.abc import Callable

from msgspec import Struct

from innkeepd.policy.scheduling.candidates import quoted
from innkeepd.policy.scheduling.events import Priority
from innkeepd.policy.scheduling.forecast import ahead_of
from innkeepd.policy.scheduling.group import Waiter
from innkeepd.policy.scheduling.queue import heads
from innkeepd.policy.scheduling.residency import LOADING, UNLOADING
from innkeepd.policy.scheduling.state import SchedulerState

NOUNS: dict[Priority, str] = {"interactive": "interactive chat", "agent": "agent turn", "batch": "batch request"}


class Outlook(Struct, frozen=True):
    """The facts of a ``waiting`` message.

    ``position`` counts from 1, ``ahead`` stand so many, ``resident`` are weights. ``expected`` is in seconds, None
    until learned; ``answering`` are the weights that answer somebody now. During a hold ``until`` is its end and
    ``refused_at`` when this ticket is refused, both on the scheduler's clock, and ``why`` the hold's reason.
    """

    weights: str
    position: int
    ahead: int
    resident: tuple[str, ...]
    expected: float | None
    reason: str
    until: float | None = None
    answering: tuple[str, ...] = ()
    why: str = ""
    refused_at: float | None = None


def look_out(state: SchedulerState, ticket: str, expected: Callable[[str, float], float | None], now: float) -> Outlook:
    """The outlook of a ticket that waits; ``expected`` foretells (``Scheduler.expected``). Raises ``LookupError``."""
    waiter = state.queue.get(ticket)
    if waiter is None:
        raise LookupError(f"{ticket} does not wait")
    ranked, mine = heads(state.ranked(now)), state.queue.group_of(ticket)
    own = next(rank for rank, group in ranked if group is mine)
    counts: dict[tuple[Priority, str], int] = {}
    for rank, group in ranked:
        if count := ahead_of(own, waiter.order, rank, group):
            queue = group.key.priority, state.ledger.name(group.wants)
            counts[queue] = counts.get(queue, 0) + count
    ahead = sum(counts.values())
    parts = [f"{_ordinal(ahead + 1)} in line", *_behind(counts), *_doing(state, waiter)]
    held = state.is_barred(waiter.wants, waiter.ticket.priority, waiter.ticket.need)
    return _look(state, waiter, ahead, parts, None if held else expected(ticket, now))


def _look(state: SchedulerState, waiter: Waiter, ahead: int, parts: list[str], expected: float | None) -> Outlook:
    held = state.is_barred(waiter.wants, waiter.ticket.priority, waiter.ticket.need)
    return Outlook(
        weights=waiter.wants,
        position=ahead + 1,
        ahead=ahead,
        resident=tuple(r.weights for r in state.ledger.residents.values() if r.state != LOADING),
        expected=expected,
        reason="; ".join([f"on hold{quoted(state.barred_by())}", *parts[:1]] if held else parts),
        until=state.held_until if held else None,
        answering=tuple(weights for weights in state.ledger.residents if state.is_busy(weights)),
        why=state.barred_by() if held else "",
        refused_at=state.bears_hold_until(waiter) if held else None,
    )


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _behind(counts: dict[tuple[Priority, str], int]) -> list[str]:
    """``behind 2 interactive chats for a, 1 batch request for b``: an entry for each queue, in the line's order."""
    queues = [f"{count} {NOUNS[kind]}{'s' * (count > 1)} for {name}" for (kind, name), count in counts.items()]
    return ["behind " + ", ".join(queues)] if queues else []


def _doing(state: SchedulerState, waiter: Waiter) -> list[str]:
    """What is under way in memory, as far as it keeps somebody waiting."""
    doing: list[str] = []
    for resident in state.ledger.residents.values():
        name, busy = state.ledger.name(resident.weights), state.leases.count(resident.weights)
        if resident.state == LOADING:
            doing.append(f"{name} is loading")
        elif resident.state == UNLOADING:
            wanted = resident.wanted_by
            doing.append(f"{name} is unloading" + (f" to make room for {state.ledger.name(wanted)}" if wanted else ""))
        elif busy:
            doing.append(f"{name} is answering" + (f" {busy}" if busy > 1 else ""))
        elif resident.weights != waiter.wants:
            doing.append(f"{name} is kept for the next turn of a session")
    if state.ledger.is_remote(waiter.wants):
        return [f"{state.ledger.name(waiter.wants)} is answering {state.answering(waiter.wants)}"]
    return doing
