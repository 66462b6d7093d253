"""The house: what stands in memory, and whether one more fits, beside whom or in whose place."""

from collections.abc import Callable

from innkeepd.policy.events import Passed, Pressure, Spec
from innkeepd.policy.model import GIB
from innkeepd.policy.residency import LOADING, UNLOADING, Cooling, Residency

GATE = 0.8
"""Beside others, Ollama admits a model only if its prediction is at most this part of what it holds free (2026-08 source)."""


class House:
    """Residents, what is known of models, and the bytes there are."""

    def __init__(self, heavy_limit: int = 1) -> None:
        self.heavy_limit = heavy_limit
        self.specs: dict[str, Spec] = {}
        self.residents: dict[str, Residency] = {}
        self.pins: dict[str, bool] = {}
        self.budget = 0
        self.free: int | None = None
        self.pressure: Pressure = "normal"

    def name(self, weights: str) -> str:
        """How a person calls it."""
        spec = self.specs.get(weights)
        return spec.name if spec else weights

    def is_remote(self, weights: str) -> bool:
        """Whether it runs on another machine."""
        spec = self.specs.get(weights)
        return spec is not None and spec.remote

    def has(self, weights: str, need: int) -> bool:
        """Whether it can work now with at least ``need`` tokens of context."""
        resident = self.residents.get(weights)
        return self.is_remote(weights) or (resident is not None and resident.is_resident and resident.context >= need)

    def size(self, weights: str) -> int:
        """Bytes it takes, or would take."""
        resident = self.residents.get(weights)
        spec = self.specs.get(weights)
        return resident.footprint if resident else spec.bytes_at(spec.context) if spec and not spec.remote else 0

    def slots(self, weights: str) -> int:
        """How many requests it may answer at once."""
        spec = self.specs.get(weights)
        return spec.parallel if spec else 1

    def used(self) -> int:
        """Bytes planned: resident, loading and unloading."""
        return sum(resident.footprint for resident in self.residents.values())

    def heavies(self) -> list[Residency]:
        """Heavy models resident, loading or still unloading."""
        return [resident for resident in self.residents.values() if resident.heavy]

    def evictable(self) -> list[Residency]:
        """Residents that nobody pinned."""
        return [r for r in self.residents.values() if r.is_resident and r.weights not in self.pins]

    def by_op(self, op: int, state: str) -> Residency | None:
        """Whose load or unload this is; None for an old or unknown one."""
        return next((r for r in self.residents.values() if r.op == op and r.state == state), None)

    def is_changing(self) -> bool:
        """Whether a load or an unload is under way."""
        return any(not resident.is_resident for resident in self.residents.values())

    def is_loading(self) -> bool:
        """Whether a load is under way."""
        return any(resident.state == LOADING for resident in self.residents.values())

    def has_too_many_heavy(self) -> bool:
        """Whether somebody else's load broke the heavy limit."""
        return len(self.heavies()) > self.heavy_limit

    def is_disordered(self) -> bool:
        """Whether somebody else's load broke a rule and nothing that mends it is under way."""
        if any(resident.state == UNLOADING for resident in self.residents.values()):
            return False
        return self.has_too_many_heavy() or self.used() > self.budget


def gib(size: int) -> str:
    """Bytes for a person."""
    return f"{size / GIB:.1f} GiB"


def obstacle(house: House, weights: str, need: int, cooling: Cooling | None, now: float) -> Passed | None:
    """Why a candidate can't be had at all, however long one waits; None where it can."""
    spec = house.specs.get(weights)
    if cooling is not None and cooling.until > now and not house.has(weights, need):
        rest = f"not tried again for {cooling.until - now:.0f} s after: {cooling.message}"
        return Passed(weights, cooling.code, rest)
    if house.has(weights, need):
        return None
    if spec is None:
        return Passed(weights, "model_missing", f"{weights} is not pulled; `ollama pull {weights}`")
    if need > spec.footprints[-1][0]:
        return Passed(weights, "context_overflow", f"{spec.name} has no context of {need} tokens that fits")
    size = spec.bytes_at(max(need, spec.context))
    if size > house.budget:
        text = f"{spec.name} needs {gib(size)}, the budget for models is {gib(house.budget)}: it never fits this machine"
        return Passed(weights, "never_fits", text)
    pinned = [r for r in house.residents.values() if r.weights in house.pins and r.weights != weights]
    heavy_pinned = sum(resident.heavy for resident in pinned)
    if (spec.heavy and heavy_pinned >= house.heavy_limit) or size + sum(r.footprint for r in pinned) > house.budget:
        names = ", ".join(house.name(resident.weights) for resident in pinned)
        return Passed(weights, "never_fits", f"{spec.name} does not fit beside the pinned {names}; `innkeep unpin` makes room")
    if house.pressure == "critical":
        return Passed(weights, "memory_pressure", f"memory pressure is critical: {spec.name} is not loaded now")
    return None


def fits(house: House, weights: str, context: int) -> bool:
    """Whether it can be loaded now without anybody leaving, by our rules and by Ollama's gate."""
    spec = house.specs[weights]
    size = spec.bytes_at(context)
    if weights in house.residents or (spec.heavy and len(house.heavies()) >= house.heavy_limit):
        return False
    return house.used() + size <= house.budget and _passes_gate(house, size, [])


def _passes_gate(house: House, size: int, leaving: list[Residency]) -> bool:
    if house.free is None or len(leaving) == len(house.residents):
        return True
    return size <= GATE * (house.free + sum(resident.footprint for resident in leaving))


def victims_for(
    house: House, weights: str, context: int, rank: Callable[[Residency], tuple[bool, float]]
) -> list[Residency] | None:
    """Who must leave for it: itself where its context is too small, the heavy one for a heavy, then the least recently used.

    ``rank`` puts the idle before the busy and the longest unused first. None where only pinned models could make room.
    """
    spec = house.specs[weights]
    size = spec.bytes_at(context)
    own = house.residents.get(weights)
    others = sorted((r for r in house.residents.values() if r is not own and r.weights not in house.pins), key=rank)
    victims = [own] if own else []
    heavy = [resident for resident in others if resident.heavy] if spec.heavy else []
    staying = len(house.heavies()) - sum(victim.heavy for victim in victims)
    victims += heavy[: max(0, staying - house.heavy_limit + 1)]
    for resident in others:
        left = house.used() - sum(victim.footprint for victim in victims)
        if left + size <= house.budget and _passes_gate(house, size, victims):
            break
        if resident not in victims:
            victims.append(resident)
    left = house.used() - sum(victim.footprint for victim in victims)
    return victims if left + size <= house.budget and _passes_gate(house, size, victims) else None
