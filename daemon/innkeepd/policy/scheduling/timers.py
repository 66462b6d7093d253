"""The instants at which something may be decided otherwise though nothing happens: no wake-up is lost, none is idle."""

from collections.abc import Iterator

from innkeepd.policy.scheduling.errands import times as errand_times
from innkeepd.policy.scheduling.eviction import DRAIN_AFTER, RECYCLE_EVERY, pressed_at
from innkeepd.policy.scheduling.group import Waiter
from innkeepd.policy.scheduling.state import SchedulerState


def next_timer(state: SchedulerState, now: float) -> float | None:
    """The earliest of them, always ahead of ``now`` and finite; None where only an event can change anything."""
    if state.is_closing:
        return None
    times = (*of_residents(state), *of_waiters(state, now))
    return min((at for at in times if now < at < float("inf")), default=None)


def of_residents(state: SchedulerState) -> Iterator[float]:
    """When a resident may leave though nothing else happens."""
    if state.over_since is not None:
        yield state.over_since + DRAIN_AFTER
        yield from (at + RECYCLE_EVERY for at in state.recycled.values())
    for resident in state.ledger.residents.values():
        yield resident.rest_until
        if state.ledger.pressure == "warning" and not resident.heavy:
            yield pressed_at(resident)
        idle = state.idle_at(resident)
        if not state.is_busy(resident.weights):
            yield from (at for at in (idle, state.renew_at(resident)) if at is not None)


def of_waiters(state: SchedulerState, now: float) -> Iterator[float]:
    """When somebody becomes due, runs out of patience or has borne a hold for long enough."""
    if state.held_until is not None:
        yield state.held_until
    for group in state.queue.groups():
        if state.is_group_barred(group) and (waiter := group.after(now, state.bears_hold_until)) is not None:
            yield state.bears_hold_until(waiter)
    if len(state.queue) and not state.is_on_hold:
        dues = state.dues(now)
        yield from (resident.session_until for resident in state.ledger.residents.values())
        for group in state.queue.groups():
            if not state.has(group):
                yield dues[group.wants, group.key.priority]
            if group.key.errand:
                yield from errand_times(group, state.ledger.residents, now)
            if group.key.patience is not None and (waiter := group.after(now, _out_of_patience)) is not None:
                yield _out_of_patience(waiter)


def _out_of_patience(waiter: Waiter) -> float:
    return waiter.asked + (waiter.ticket.patience or 0.0)
