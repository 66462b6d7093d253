"""Where an errand (``policy.errands``) is served, and when: never at the cost of a conversation.

An errand takes, in this order: a light model in memory, or an engine elsewhere; a light model that fits beside what
is in memory; a heavy model in memory whose prompt is no longer warm and that nobody waits for. It never loads a heavy
model, never makes another one leave, and waits rather than take the slot of a warm one.

Where the engine keeps old prompts outside its slots (``Ticket.takes_warm``: ``llama-server``, Ollama 0.30 and later) a
light model's warm slot is taken at once. Where it does not, the last prompt of a heavy model is kept even after it has
cooled, because new sessions share its beginning: only without any light model an errand goes there. After ``WAIT`` a
light model's warm slot is taken in any case, where a prompt is read again in seconds; else the errand is refused.
"""

from collections.abc import Iterator

from innkeepd.policy.memory.admission import fits, obstacle
from innkeepd.policy.scheduling.events import Passed
from innkeepd.policy.scheduling.group import Group, Waiter
from innkeepd.policy.scheduling.residency import Residency
from innkeepd.policy.scheduling.state import SchedulerState

WARM = 60.0
"""Seconds after an answer in which its conversation is likely to go on: an agent's next turn, a person's reply."""
SETTLE = 2.0
"""Seconds that an errand waits before a light model is loaded for it: many arrive just before the main request."""
WAIT = 180.0
"""Seconds that an errand waits for a slot which costs no conversation its prompt; clients give up after 300."""


def choose_place(state: SchedulerState, group: Group, now: float) -> tuple[str, tuple[Passed, ...]]:
    """The weights that these errands wait for, "" where they can have none; and the candidates they can't have."""
    found: list[Passed] = []
    able: list[str] = []
    for weights in group.key.chain:
        if weights in {*group.key.passed, *able, *(entry.weights for entry in found)}:
            continue
        why = obstacle(state.ledger, weights, group.key.need, state.cooling.get(weights), now)
        if why is None:
            able.append(weights)
        else:
            found.append(why)
    light = [weights for weights in able if not state.ledger.is_heavy(weights)]
    free = (weights for weights in light if may_start(state, group, weights, now))
    coming = (weights for weights in light if _may_come(state, group, weights))
    is_harmless = group.key.takes_warm or not light
    cold = (weights for weights in able if is_harmless and may_start(state, group, weights, now))
    return next((weights for weights in (*free, *coming, *cold, *light, *able)), ""), tuple(found)


def may_start(state: SchedulerState, group: Group, weights: str, now: float) -> bool:
    """Whether the first of these errands may take a slot of these weights now, if one is free."""
    if not state.is_ready(weights, group.key.need, now) or _is_barred(state, group, weights):
        return False
    resident = state.ledger.residents.get(weights)
    if resident is None or state.ledger.is_remote(weights):
        return True
    if resident.heavy:
        return not _is_warm(state, resident, now) and not state.is_busy(weights) and not state.waiting_for(resident)
    is_free = group.key.takes_warm or now - group.first.asked >= WAIT
    return is_free or not _is_warm(state, resident, now)


def may_load(state: SchedulerState, group: Group, now: float) -> bool:
    """Whether what these errands want may be loaded for them now: light, beside everybody else, after ``SETTLE``."""
    return now - group.first.asked >= SETTLE and _may_come(state, group, group.wants)


def given_up(state: SchedulerState, group: Group, now: float) -> list[tuple[Waiter, Passed]]:
    """Which errands are refused now, and why; none where only a slot or a load is waited for."""
    if not group.key.errand or not (members := group.until(now, _out_of_time)):
        return []
    if may_start(state, group, group.wants, now) or _may_come(state, group, group.wants):
        return []
    light = not state.ledger.is_heavy(group.wants)
    name = state.ledger.name(group.wants)
    why = f"{name} does not fit beside what is in memory" if light else "no light model is pulled"
    text = (
        f"an errand of the client's own found no place in {WAIT:g} s: {why}, and no heavy model is loaded for one or "
        "taken from its conversation; pull a smaller model (`ollama pull llama3.2:3b`), or send x-innkeep-strict: true"
    )
    return [(waiter, Passed(group.wants, "unsupported", text)) for waiter in members]


def times(group: Group, residents: dict[str, Residency], now: float) -> Iterator[float]:
    """The instants at which something may change for these errands though nothing happens; of many only the next."""
    for instant in (_settled, _out_of_time):
        if (waiter := group.after(now, instant)) is not None:
            yield instant(waiter)
    yield from (residents[weights].warm_until for weights in group.key.chain if weights in residents)


def _settled(waiter: Waiter) -> float:
    return waiter.asked + SETTLE


def _out_of_time(waiter: Waiter) -> float:
    return waiter.asked + WAIT


def _is_warm(state: SchedulerState, resident: Residency, now: float) -> bool:
    """Whether a conversation's prompt is in its cache."""
    asked = any(not lease.ticket.errand for lease in state.leases.of(resident.weights))
    return asked or now < max(resident.warm_until, resident.session_until)


def _may_come(state: SchedulerState, group: Group, weights: str) -> bool:
    """Whether a light model is on its way, or may be loaded beside everybody."""
    if state.ledger.is_heavy(weights) or _is_barred(state, group, weights):
        return False
    if weights in state.ledger.residents:
        return state.ledger.is_coming(weights, group.key.need)
    return fits(state.ledger, weights, state.ledger.context_for(weights, group.key.need))


def _is_barred(state: SchedulerState, group: Group, weights: str) -> bool:
    return state.is_barred(weights, group.key.priority, group.key.need)
