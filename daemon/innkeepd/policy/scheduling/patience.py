"""What will do for a waiter whose patience runs out: a *smaller* model of its chain that stands free.

A fallback to a bigger model made everything worse on the traces: it costs a swap that others pay.
"""

from innkeepd.policy.scheduling.queue import Waiter
from innkeepd.policy.scheduling.state import SchedulerState


def smaller_for(inn: SchedulerState, waiter: Waiter, draining: set[str], now: float) -> str | None:
    """The best of its chain that would take less memory, is there, keeps its place and has a free slot; None: none.

    Whatever stands free will do for one who waits for an engine elsewhere.
    """
    passed = {entry.weights for entry in waiter.passed}
    for weights in waiter.ticket.chain:
        is_smaller = inn.house.is_remote(waiter.wants) or inn.house.size(weights) < inn.house.size(waiter.wants)
        is_here = inn.is_ready(weights, waiter.ticket.need, now) and weights not in draining
        if is_smaller and is_here and weights not in passed and inn.has_slot(weights):
            return weights
    return None
