"""The instants at which something may be decided otherwise though nothing happens: no wake-up is lost, none is idle."""

from collections.abc import Iterator

from innkeepd.policy.scheduling.eviction import DRAIN_AFTER, RECYCLE_EVERY
from innkeepd.policy.scheduling.state import SchedulerState


def next_timer(inn: SchedulerState, now: float) -> float | None:
    """The earliest of them, always ahead of ``now`` and finite; None where only an event can change anything."""
    if inn.is_closing:
        return None
    times = (*of_residents(inn), *of_waiters(inn, now))
    return min((at for at in times if now < at < float("inf")), default=None)


def of_residents(inn: SchedulerState) -> Iterator[float]:
    """When a resident may leave though nothing else happens."""
    if inn.over_since is not None:
        yield inn.over_since + DRAIN_AFTER
        yield from (at + RECYCLE_EVERY for at in inn.recycled.values())
    for resident in inn.house.residents.values():
        yield resident.rest_until
        idle = inn.idle_at(resident)
        if not inn.is_busy(resident.weights):
            yield from (at for at in (idle, inn.renew_at(resident)) if at is not None)


def of_waiters(inn: SchedulerState, now: float) -> Iterator[float]:
    """When somebody becomes due, runs out of patience or has borne a hold for long enough."""
    if inn.held_until is not None:
        yield inn.held_until
        yield from (inn.bears_hold_until(waiter) for waiter in inn.line)
    elif len(inn.line):
        dues = inn.dues(now)
        yield from (resident.session_until for resident in inn.house.residents.values())
        for waiter in inn.line:
            if not inn.has(waiter):
                yield dues[waiter.wants, waiter.ticket.priority]
            if waiter.ticket.patience is not None:
                yield waiter.asked + waiter.ticket.patience
