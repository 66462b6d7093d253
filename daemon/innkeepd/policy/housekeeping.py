"""Who has to go without anybody waiting for the room: by the user's word, for order, under pressure, from idleness.

Each look returns residents in the order in which they should leave; the scheduler takes out those that are idle. A
model that did not go when told rests for a while (``Residency.stay``): an engine that can't unload must not be asked
without end.
"""

from innkeepd.policy.inn import Inn
from innkeepd.policy.residency import Residency


def asked_out(inn: Inn) -> list[Residency]:
    """The user wants it out, pinned or not."""
    return [resident for resident in inn.house.residents.values() if resident.leaving]


def held_out(inn: Inn, now: float) -> list[Residency]:
    """The user wants the memory: everything goes, pins too; what other tools bring in meanwhile is not fought."""
    return [r for r in inn.house.residents.values() if not r.spared and r.rest_until <= now]


def out_of_order(inn: Inn, now: float) -> Residency | None:
    """Somebody else's load broke a rule: the least needed model that mends it, None where nobody can or need go.

    Rather one that nobody waits for, then an idle one, then the longest unused. The last one standing, though too big,
    stays for as long as somebody wants it: to unload it would bring it straight back.
    """
    if not inn.house.is_disordered():
        return None
    only_heavy = inn.house.has_too_many_heavy()
    candidates = [r for r in inn.house.evictable() if r.heavy or not only_heavy]
    if not candidates:
        return None
    first = min(candidates, key=lambda r: (bool(inn.waiting_for(r)), inn.is_busy(r.weights), r.used))
    is_last = len(inn.house.residents) == 1
    if first.rest_until > now or (is_last and (inn.is_busy(first.weights) or inn.waiting_for(first))):
        return None
    return first


def pressed_out(inn: Inn, now: float) -> list[Residency]:
    """At warning idle light models go, at critical idle heavy ones too."""
    if inn.house.pressure == "normal":
        return []
    return [r for r in _unwanted(inn, now) if not r.heavy or inn.house.pressure == "critical"]


def idled_out(inn: Inn, now: float) -> list[Residency]:
    """Nobody has asked for it for long."""
    ends = ((resident, inn.idle_at(resident)) for resident in _unwanted(inn, now))
    return [resident for resident, end in ends if end is not None and end <= now]


def _unwanted(inn: Inn, now: float) -> list[Residency]:
    return [r for r in inn.house.evictable() if r.rest_until <= now and not inn.waiting_for(r)]
