"""What a group of waiters wants now: the best of its chain that can be had; one that can have nothing is refused.

A candidate that was passed over stays passed over for that ticket, with its reason on record: so each ticket comes to
an end.
"""

from msgspec import Struct

from innkeepd.policy.memory.admission import obstacle
from innkeepd.policy.scheduling.errands import choose_place, given_up
from innkeepd.policy.scheduling.events import Passed
from innkeepd.policy.scheduling.group import Group, Waiter
from innkeepd.policy.scheduling.state import SchedulerState


class Choice(Struct, frozen=True):
    """``wants`` is the best that can be had, empty where nothing can; ``passed`` is what was passed over just now."""

    wants: str
    passed: tuple[Passed, ...] = ()


def choose_candidate(state: SchedulerState, group: Group, now: float) -> Choice:
    """Choose for every member of a group. While memory is on hold, another machine may serve."""
    if group.key.errand:
        return Choice(*choose_place(state, group, now))
    passed = set(group.key.passed)
    found: list[Passed] = []
    for weights in group.key.chain:
        if weights in passed:
            continue
        cooling = None if group.key.insist else state.cooling.get(weights)
        why = obstacle(state.ledger, weights, group.key.need, cooling, now)
        if why is None:
            is_barred = state.is_barred(weights, group.key.priority, group.key.need)
            instead = _allowed(state, group, passed, now) if is_barred else None
            return Choice(instead or weights, tuple(found))
        found.append(why)
        passed.add(weights)
    return Choice("", tuple(found))


def refused(state: SchedulerState, group: Group, now: float) -> list[tuple[Waiter, Passed]]:
    """Which members must be refused once ``group.wants`` is chosen, and why."""
    if state.is_closing:
        return [(waiter, Passed("", "shutting_down", "innkeepd is stopping")) for waiter in group.waiters]
    if not group.wants:
        unknown = Passed("", "unknown_model", "no candidate is known")
        return [(waiter, waiter.passed[-1] if waiter.passed else unknown) for waiter in group.waiters]
    if not state.is_barred(group.wants, group.key.priority, group.key.need):
        return given_up(state, group, now)
    why = Passed(group.wants, "on_hold", _on_hold(state, now))
    return [(waiter, why) for waiter in group.until(now, state.bears_hold_until)]


def quoted(why: str) -> str:
    """`` ("video call")``: the reason of a hold behind the word; empty where none was given."""
    return f' ("{why}")' if why else ""


def _on_hold(state: SchedulerState, now: float) -> str:
    if state.held_until is None:
        if not state.limits.why:
            return "the machine is about to sleep; ask again once it is awake"
        return f"not allowed now by the rules of [[when]]: {state.limits.why}; `innkeep resume` lifts them"
    left = max(0.0, (state.held_until or now) - now)
    span = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
    return f"on hold{quoted(state.held_why)} for another {span}; `innkeep resume` ends it"


def _allowed(state: SchedulerState, group: Group, passed: set[str], now: float) -> str | None:
    """During a hold another machine may serve, and under a rule a model that it allows: the best of the chain."""
    need = group.key.need
    for weights in group.key.chain:
        if weights in passed or state.is_barred(weights, group.key.priority, need):
            continue
        cooling = None if group.key.insist else state.cooling.get(weights)
        is_remote = state.ledger.is_remote(weights)
        if state.is_ready(weights, need, now) if is_remote else not obstacle(state.ledger, weights, need, cooling, now):
            return weights
    return None


def smaller_for(state: SchedulerState, waiter: Waiter, draining: set[str], now: float) -> str | None:
    """For one out of patience: the best of its chain that takes less memory, is there, stays and has a free slot.

    Whatever is free will do for one who waits for an engine elsewhere. A bigger one never does: on the traces it made
    everything worse, because it costs a swap that others pay.
    """
    passed = {entry.weights for entry in waiter.passed}
    size = state.ledger.size(waiter.wants)
    for weights in waiter.ticket.chain:
        is_smaller = state.ledger.is_remote(waiter.wants) or state.ledger.size(weights) < size
        is_here = state.is_ready(weights, waiter.ticket.need, now) and weights not in draining
        is_free = state.has_slot(weights) and not state.is_barred(weights, waiter.ticket.priority, waiter.ticket.need)
        if is_smaller and is_here and weights not in passed and is_free:
            return weights
    return None
