"""What each waiter wants now: the best of its chain that can be had; one that can have nothing is refused.

A candidate that was passed over stays passed over for that ticket, with its reason on record: so each ticket comes to
an end.
"""

from innkeepd.policy.memory.admission import obstacle
from innkeepd.policy.scheduling.events import Passed
from innkeepd.policy.scheduling.queue import Waiter
from innkeepd.policy.scheduling.state import SchedulerState


def choose_candidates(state: SchedulerState, waiter: Waiter, now: float) -> Passed | None:
    """Choose what it wants (``waiter.wants``), note what it can't have. Returns why it must be refused, if it must."""
    if state.is_closing:
        return Passed("", "shutting_down", "innkeepd is stopping")
    waiter.wants = _best(state, waiter, now)
    if not waiter.wants:
        return waiter.passed[-1] if waiter.passed else Passed("", "unknown_model", "no candidate is known")
    if not state.is_held_from(waiter.wants):
        return None
    waiter.wants = _elsewhere(state, waiter, now) or waiter.wants
    if state.is_held_from(waiter.wants) and now >= state.bears_hold_until(waiter):
        return Passed(waiter.wants, "on_hold", _on_hold(state, now))
    return None


def quoted(why: str) -> str:
    """`` ("video call")``: the reason of a hold behind the word; empty where none was given."""
    return f' ("{why}")' if why else ""


def _on_hold(state: SchedulerState, now: float) -> str:
    left = max(0.0, (state.held_until or now) - now)
    span = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
    return f"on hold{quoted(state.held_why)} for another {span}; `innkeep resume` ends it"


def _best(state: SchedulerState, waiter: Waiter, now: float) -> str:
    passed = {entry.weights for entry in waiter.passed}
    for weights in waiter.ticket.chain:
        if weights in passed:
            continue
        cooling = None if waiter.ticket.insist else state.cooling.get(weights)
        why = obstacle(state.ledger, weights, waiter.ticket.need, cooling, now)
        if why is None:
            return weights
        waiter.passed.append(why)
        passed.add(weights)
    return ""


def _elsewhere(state: SchedulerState, waiter: Waiter, now: float) -> str | None:
    """While the memory is on hold, another machine may serve: the best of the chain that lives on one."""
    passed = {entry.weights for entry in waiter.passed}
    remote = [w for w in waiter.ticket.chain if w not in passed and state.ledger.is_remote(w)]
    return next((w for w in remote if state.is_ready(w, waiter.ticket.need, now)), None)


def smaller_for(state: SchedulerState, waiter: Waiter, draining: set[str], now: float) -> str | None:
    """For one out of patience: the best of its chain that takes less memory, is there, stays and has a free slot.

    Whatever is free will do for one who waits for an engine elsewhere. A bigger one never does: on the traces it made
    everything worse, because it costs a swap that others pay.
    """
    passed = {entry.weights for entry in waiter.passed}
    for weights in waiter.ticket.chain:
        is_smaller = state.ledger.is_remote(waiter.wants) or state.ledger.size(weights) < state.ledger.size(
            waiter.wants
        )
        is_here = state.is_ready(weights, waiter.ticket.need, now) and weights not in draining
        if is_smaller and is_here and weights not in passed and state.has_slot(weights):
            return weights
    return None
