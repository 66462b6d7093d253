"""What each event changes among the facts, before anything is decided.

Unknown and old ids change nothing. An answer of ``/api/ps`` speaks of the instant at which its question was sent: what
we did after that is newer than what it says.
"""

from collections.abc import Callable
from typing import Any

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.errands import WARM
from innkeepd.policy.scheduling.group import Group
from innkeepd.policy.scheduling.residency import LOADING, UNLOADING, Cooling, Residency
from innkeepd.policy.scheduling.state import SchedulerState
from innkeepd.policy.scheduling.turns import make_gate

COOLS = frozenset(
    {
        "backend_unreachable",
        "backend_error",
        "first_token_timeout",
        "stalled",
        "unknown_model",
        "model_missing",
        "load_failed",
        "out_of_memory",
    }
)
"""Failures of a remote model that the next request would only meet again; not those of the request itself, nor a queue
that is full: that is told in a moment.
"""


def apply(state: SchedulerState, event: ev.Event, now: float) -> None:
    """Take the event into the facts."""
    _CHANGES[type(event)](state, event, now)


def _known(state: SchedulerState, event: ev.Known, _now: float) -> None:
    state.ledger.know(event.specs)


def _measured(state: SchedulerState, event: ev.Measured, now: float) -> None:
    state.ledger.measure(event.budget, event.free, event.pressure, now)
    state.ledger.limit(event.gpu_limit, event.most_loaded)


def _asked(state: SchedulerState, event: ev.Asked, now: float) -> None:
    if event.ticket.id not in state.queue and event.ticket.id not in state.leases:
        state.queue.join(event.ticket, now)


def _cancelled(state: SchedulerState, event: ev.Cancelled, _now: float) -> None:
    state.queue.leave(event.ticket)


def _released(state: SchedulerState, event: ev.Released, now: float) -> None:
    lease = state.leases.release(event.ticket)
    if lease is None:
        return
    state.queue.served(lease.weights, lease.ticket.priority, now)
    resident = state.ledger.residents.get(lease.weights)
    if resident is not None:
        resident.used = now
        if not lease.ticket.errand:
            resident.warm_until = now + WARM
        goes_on = lease.ticket.session is not None and not lease.ticket.last
        resident.session_until = now + state.rules.session_hold if goes_on else 0.0


def _load_ended(state: SchedulerState, event: ev.LoadEnded, now: float) -> None:
    resident = state.ledger.by_op(event.op, LOADING)
    if resident is None:
        return
    began = resident.since
    if event.code is not None:
        resident.turn("failed", now)
        del state.ledger.residents[resident.weights]
        state.gone[resident.weights] = now
        _fail(state, resident.weights, event.code, event.message, now)
        return
    resident.turn("loaded", now)
    resident.used = now
    resident.footprint = resident.fresh = event.footprint or resident.footprint
    if event.footprint:
        state.ledger.learn(resident)
    state.ledger.take(resident.footprint, began)
    state.cooling.pop(resident.weights, None)
    first = (waiter for group in state.waiting_for(resident) for waiter in group.waiters[: state.rules.gate])
    resident.gate = make_gate(first, state.rules.gate)


def _unload_ended(state: SchedulerState, event: ev.UnloadEnded, now: float) -> None:
    resident = state.ledger.by_op(event.op, UNLOADING)
    if resident is None:
        return
    if event.code is None:
        began = resident.since
        resident.turn("gone", now)
        _leave(state, resident, began)
        state.gone[resident.weights] = now
        return
    resident.stay(now)
    state.coming_back.pop(resident.weights, None)
    if resident.wanted_by is not None:
        # It did not leave: whoever needed the room must not load on top of it.
        _fail(state, resident.wanted_by, event.code, event.message, now)


def _renew_ended(state: SchedulerState, event: ev.RenewEnded, _now: float) -> None:
    for resident in state.ledger.residents.values():
        if resident.renewing == event.op:
            resident.renewing = 0


def _leave(state: SchedulerState, resident: Residency, began: float) -> None:
    del state.ledger.residents[resident.weights]
    state.ledger.take(-resident.footprint, began)


def _fail(state: SchedulerState, weights: str, code: str, message: str, now: float) -> None:
    """A model could not be brought in: whoever wants it looks elsewhere, and nobody tries it again for a while."""
    for group in state.queue.groups():
        if group.wants == weights:
            state.queue.pass_over(group, [ev.Passed(weights, code, message)])
    if code == "backend_unreachable":
        for group in state.queue.groups():
            state.queue.pass_over(group, _local(state, group, code, message))
    elif code != "cancelled":
        state.cooling[weights] = Cooling.after(state.cooling.get(weights), code, message, now)


def _local(state: SchedulerState, group: Group, code: str, message: str) -> list[ev.Passed]:
    """One engine serves all local models: where it does not answer for one, it does not for the others."""
    chain = dict.fromkeys(weights for weights in group.key.chain if weights not in group.key.passed)
    return [ev.Passed(weights, code, message) for weights in chain if not state.ledger.has(weights, group.key.need)]


def _observed(state: SchedulerState, event: ev.Observed, now: float) -> None:
    state.epoch = state.epoch if event.epoch is None else event.epoch
    seen = {line.weights: line for line in event.running}
    for resident in list(state.ledger.residents.values()):
        if not resident.is_resident or resident.since > event.sent:
            continue  # on its way, or this answer is older than what we know
        line = seen.get(resident.weights)
        if line is not None:
            _look_at(state, resident, line, event.sent, now)
        elif not state.is_busy(resident.weights):
            # Gone under a lease (Ollama was started anew), the request itself brings it back: its place stays taken.
            resident.turn("vanished", now)
            _leave(state, resident, resident.looked)
    for line in seen.values():
        if line.weights not in state.ledger.residents and state.gone.get(line.weights, event.sent) <= event.sent:
            _adopt(state, line, now)


def _look_at(state: SchedulerState, resident: Residency, line: ev.Seen, sent: float, now: float) -> None:
    moved = resident.expires is not None and line.expires != resident.expires
    if moved and resident.used <= resident.looked and not state.is_busy(resident.weights):
        resident.used = now  # nobody of ours moved its end since the last look: somebody else's request did
    resident.expires, resident.looked = line.expires, max(resident.looked, sent)
    resident.on_cpu = line.on_cpu
    if line.size > resident.settled:  # a runner that grows (MLX): what it was seen to take it will take again
        resident.take(line.size)
        state.ledger.learn(resident)


def _adopt(state: SchedulerState, line: ev.Seen, now: float) -> None:
    spec = state.ledger.specs.get(line.weights)
    context = line.context or (spec.context if spec else 0)
    size = line.size or (state.ledger.bytes_for(line.weights, context) if spec else 0)
    resident = Residency(
        line.weights,
        context=context,
        footprint=size,
        heavy=spec.heavy if spec else size > state.ledger.budget // 2,
        owned=False,
        used=now,
        expires=line.expires,
        spared=state.is_on_hold or state.limits.light_only,
        fresh=size,
        on_cpu=line.on_cpu,
    )
    resident.turn("seen", now)
    state.ledger.residents[line.weights] = resident
    if line.size:
        state.ledger.learn(resident)


def _weighed(state: SchedulerState, event: ev.Weighed, _now: float) -> None:
    for weight in event.runners:
        resident = state.ledger.residents.get(weight.weights)
        if resident is None or not resident.is_resident:
            continue
        if resident.owned and resident.process is None and weight.total > resident.settled:
            # Right after our own load nothing has grown yet: ``/api/ps`` tells too little.
            resident.take(weight.total)
            state.ledger.learn(resident)
        resident.weigh(weight.total, weight.private)


def _judged(state: SchedulerState, event: ev.Judged, now: float) -> None:
    """Requests that were under way together fail together: that is one failure, not a row of them."""
    if not state.ledger.is_remote(event.weights):
        return
    before = state.cooling.get(event.weights)
    if event.code is None:
        state.cooling.pop(event.weights, None)
    elif event.code in COOLS and (before is None or before.until <= now):
        state.cooling[event.weights] = Cooling.after(before, event.code, event.message, now)


def _pin_set(state: SchedulerState, event: ev.PinSet, _now: float) -> None:
    if event.pinned:
        state.ledger.pins[event.weights] = True
    else:
        state.ledger.pins.pop(event.weights, None)


def _unload_asked(state: SchedulerState, event: ev.UnloadAsked, _now: float) -> None:
    for weights in event.weights:
        state.coming_back.pop(weights, None)
        if weights in state.ledger.residents:
            state.ledger.residents[weights].leaving = True


def _unload_dropped(state: SchedulerState, event: ev.UnloadDropped, _now: float) -> None:
    for weights in event.weights:
        if weights in state.ledger.residents:
            state.ledger.residents[weights].leaving = False


def _hold_began(state: SchedulerState, event: ev.HoldBegan, now: float) -> None:
    if state.held_until is None:
        state.held_since = now
        _spare_nobody(state)
    state.held_until = event.until
    state.held_why = event.why
    state.coming_back.clear()


def _hold_ended(state: SchedulerState, _event: ev.HoldEnded, _now: float) -> None:
    """The user's word lifts what rules forbid as well, until they change."""
    state.held_until = None
    state.limits = ev.Limited(frozen=state.limits.frozen)


def _limited(state: SchedulerState, event: ev.Limited, now: float) -> None:
    before, state.limits = state.limits, event
    if not before.why and not before.frozen:
        state.held_since = max(state.held_since, now)
    if (event.hold and not before.hold) or (event.light_only and not before.light_only):
        _spare_nobody(state)
    if event != ev.Limited():
        state.coming_back.clear()


def _spare_nobody(state: SchedulerState) -> None:
    """What other tools load from now on is not fought; what is in memory when a hold begins leaves."""
    for resident in state.ledger.residents.values():
        resident.spared = False


def _closing(state: SchedulerState, _event: ev.Closing, _now: float) -> None:
    state.is_closing = True


def _woke(_state: SchedulerState, _event: ev.Woke, _now: float) -> None:
    """Time itself is the news."""


_CHANGES: dict[type, Callable[[SchedulerState, Any, float], None]] = {
    ev.Known: _known,
    ev.Measured: _measured,
    ev.Asked: _asked,
    ev.Cancelled: _cancelled,
    ev.Released: _released,
    ev.LoadEnded: _load_ended,
    ev.UnloadEnded: _unload_ended,
    ev.Observed: _observed,
    ev.Weighed: _weighed,
    ev.Judged: _judged,
    ev.PinSet: _pin_set,
    ev.UnloadAsked: _unload_asked,
    ev.HoldBegan: _hold_began,
    ev.HoldEnded: _hold_ended,
    ev.Closing: _closing,
    ev.Woke: _woke,
    ev.UnloadDropped: _unload_dropped,
    ev.RenewEnded: _renew_ended,
    ev.Limited: _limited,
}
