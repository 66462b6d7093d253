"""Which models leave though nobody waits for their room: by the user's word, for order, under pressure, when idle.

Each look returns residents in the order in which they should leave; the scheduler takes out those that are idle. A
model that did not go when told rests for a while (``Residency.stay``): an engine that can't unload must not be asked
without end.
"""

from innkeepd.policy.scheduling.residency import UNLOADING, Residency
from innkeepd.policy.scheduling.state import SchedulerState

RECYCLE_EVERY = 3600.0
"""Seconds between two times that a grown model is unloaded and loaded anew: its users pay for each with a load."""
DRAIN_AFTER = 60.0
"""Seconds over the budget after which a model that is never idle starts nothing new, so that it can be recycled."""
PRESSED_IDLE = 60.0
"""Seconds that a light model has been idle before a warning of the system's makes it leave."""


def asked_out(state: SchedulerState) -> list[Residency]:
    """The user wants it out, pinned or not."""
    return [resident for resident in state.ledger.residents.values() if resident.leaving]


def held_out(state: SchedulerState, now: float) -> list[Residency]:
    """The user wants the memory: everything goes, pins too; what other tools bring in meanwhile is not fought."""
    return [r for r in state.ledger.residents.values() if not r.spared and r.rest_until <= now]


def limited_out(state: SchedulerState, now: float) -> list[Residency]:
    """A rule allows light models only: heavy ones go, pinned ones too."""
    return [r for r in held_out(state, now) if r.heavy] if state.limits.light_only else []


def out_of_order(state: SchedulerState, now: float) -> Residency | None:
    """Somebody else's load broke a rule: the least needed model that mends it, None where nobody can or need go.

    Rather one that nobody waits for, then an idle one, then the longest unused. The last one standing, though too big,
    stays for as long as somebody wants it: to unload it would bring it straight back.
    """
    if not state.ledger.is_disordered():
        return None
    only_heavy = state.ledger.has_too_many_heavy()
    candidates = [r for r in state.ledger.evictable() if r.heavy or not only_heavy]
    if not candidates:
        return None
    first = min(candidates, key=lambda r: (bool(state.waiting_for(r)), state.is_busy(r.weights), r.used))
    is_last = len(state.ledger.residents) == 1
    if first.rest_until > now or (is_last and (state.is_busy(first.weights) or state.waiting_for(first))):
        return None
    return first


def overgrown(state: SchedulerState, now: float) -> list[Residency]:
    """Growth since their loads puts the models over the budget: those that mend it, the most grown first.

    A runner keeps old conversations in memory (up to 8 GiB each by default since 0.30) and Ollama counts none of it.
    """
    excess = _excess(state)
    found: list[Residency] = []
    for resident in sorted(state.ledger.residents.values(), key=lambda r: -r.grown):
        if excess <= 0 or not resident.grown:
            break
        if resident.is_resident and resident.rest_until <= now:
            found.append(resident)
            excess -= resident.grown
    return found


def may_recycle(state: SchedulerState, resident: Residency, now: float) -> bool:
    """Whether it may be unloaded and loaded anew: at most once an hour."""
    return state.recycled.get(resident.weights, float("-inf")) + RECYCLE_EVERY <= now


def instead_of(state: SchedulerState, resident: Residency) -> Residency | None:
    """Who leaves for good where a grown model may not be recycled again.

    Another one that nobody uses now and that makes enough room, the longest unused; else the grown one itself; where
    that is pinned, whoever else nobody uses.
    """
    others = [
        r
        for r in state.ledger.evictable()
        if r is not resident and not state.is_busy(r.weights) and not state.waiting_for(r)
    ]
    enough = [other for other in others if other.footprint >= _excess(state)]
    if not enough and resident.weights not in state.ledger.pins:
        return resident
    return min(enough or others, key=lambda r: r.used, default=None)


def _excess(state: SchedulerState) -> int:
    """Bytes over the budget once what is leaving already has left."""
    staying = (r.footprint for r in state.ledger.residents.values() if r.state != UNLOADING)
    return sum(staying) - state.ledger.budget


def pressed_out(state: SchedulerState, now: float) -> list[Residency]:
    """At warning light models go that were idle for ``PRESSED_IDLE``, at critical all idle ones.

    macOS can stay at warning for days (recorded), and 20 GiB of wired weights bring it nearer. A light model that left
    as soon as its answer ended would then be loaded again for each message of a conversation.
    """
    if state.ledger.pressure == "normal":
        return []
    unwanted = _unwanted(state, now)
    if state.ledger.pressure == "critical":
        return unwanted
    return [r for r in unwanted if not r.heavy and pressed_at(r) <= now]


def pressed_at(resident: Residency) -> float:
    """From when on a warning takes this light model: it is idle, and its session's next turn is overdue."""
    return max(resident.used + PRESSED_IDLE, resident.session_until)


def idled_out(state: SchedulerState, now: float) -> list[Residency]:
    """Nobody has asked for it for long."""
    ends = ((resident, state.idle_at(resident)) for resident in _unwanted(state, now))
    return [resident for resident, end in ends if end is not None and end <= now]


def _unwanted(state: SchedulerState, now: float) -> list[Residency]:
    return [r for r in state.ledger.evictable() if r.rest_until <= now and not state.waiting_for(r)]
