"""What somebody who waits is told: the place in line, who is ahead, what is under way, and how long it may take."""

from collections.abc import Callable, Iterator

from msgspec import Struct

from innkeepd.policy.scheduling.candidates import quoted
from innkeepd.policy.scheduling.events import Priority
from innkeepd.policy.scheduling.queue import Waiter
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


def look_out(inn: SchedulerState, ticket: str, expected: Callable[[str, float], float | None], now: float) -> Outlook:
    """The outlook of a ticket that waits; ``expected`` foretells (``Scheduler.expected``). Raises ``LookupError``."""
    if ticket not in inn.line:
        raise LookupError(f"{ticket} does not wait")
    return next(look for name, look in _looks(inn, expected, now, ticket) if name == ticket)


def look_out_all(inn: SchedulerState, expected: Callable[[str, float], float | None], now: float) -> dict[str, Outlook]:
    """The outlook of every ticket that waits; costs as much as one for the last in line."""
    return dict(_looks(inn, expected, now))


def _looks(
    inn: SchedulerState, expected: Callable[[str, float], float | None], now: float, only: str | None = None
) -> Iterator[tuple[str, Outlook]]:
    """One by one in the order of the line; the one of ``only`` where that is told."""
    counts: dict[tuple[Priority, str], int] = {}
    doing: dict[str, list[str]] = {}
    for ahead, waiter in enumerate(inn.ordered(now)):
        if only is None or waiter.ticket.id == only:
            if waiter.wants not in doing:
                doing[waiter.wants] = _doing(inn, waiter)
            parts = [f"{_ordinal(ahead + 1)} in line", *_behind(counts), *doing[waiter.wants]]
            held = inn.is_held_from(waiter.wants)
            foretold = None if held else expected(waiter.ticket.id, now)
            yield waiter.ticket.id, _look(inn, waiter, ahead, parts, foretold)
        queue = waiter.ticket.priority, inn.house.name(waiter.wants)
        counts[queue] = counts.get(queue, 0) + 1


def _look(inn: SchedulerState, waiter: Waiter, ahead: int, parts: list[str], expected: float | None) -> Outlook:
    held = inn.is_held_from(waiter.wants)
    return Outlook(
        weights=waiter.wants,
        position=ahead + 1,
        ahead=ahead,
        resident=tuple(r.weights for r in inn.house.residents.values() if r.state != LOADING),
        expected=expected,
        reason="; ".join([f"on hold{quoted(inn.held_why)}", *parts[:1]] if held else parts),
        until=inn.held_until if held else None,
        answering=tuple(weights for weights in inn.house.residents if inn.is_busy(weights)),
        why=inn.held_why if held else "",
        refused_at=inn.bears_hold_until(waiter) if held else None,
    )


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _behind(counts: dict[tuple[Priority, str], int]) -> list[str]:
    """``behind 2 interactive chats for a, 1 batch request for b``: an entry for each queue, in the line's order."""
    queues = [f"{count} {NOUNS[kind]}{'s' * (count > 1)} for {name}" for (kind, name), count in counts.items()]
    return ["behind " + ", ".join(queues)] if queues else []


def _doing(inn: SchedulerState, waiter: Waiter) -> list[str]:
    """What is under way in the house, as far as it keeps somebody waiting."""
    doing: list[str] = []
    for resident in inn.house.residents.values():
        name, busy = inn.house.name(resident.weights), inn.leases.count(resident.weights)
        if resident.state == LOADING:
            doing.append(f"{name} is loading")
        elif resident.state == UNLOADING:
            wanted = resident.wanted_by
            doing.append(f"{name} is unloading" + (f" to make room for {inn.house.name(wanted)}" if wanted else ""))
        elif busy:
            doing.append(f"{name} is answering" + (f" {busy}" if busy > 1 else ""))
        elif resident.weights != waiter.wants:
            doing.append(f"{name} is kept for the next turn of a session")
    if inn.house.is_remote(waiter.wants):
        return [f"{inn.house.name(waiter.wants)} is answering {inn.answering(waiter.wants)}"]
    return doing
