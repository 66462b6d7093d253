"""The house: what stands in memory, and whether one more fits, beside whom or in whose place."""

from collections.abc import Callable
from copy import copy

from innkeepd.policy.memory.admission import ollama_gate
from innkeepd.policy.memory.budget import gib
from innkeepd.policy.scheduling.events import Passed, Pressure, Spec
from innkeepd.policy.scheduling.residency import LOADING, RESIDENT, UNLOADING, Cooling, Residency


class MemoryLedger:
    """Residents, what is known of models, and the bytes there are."""

    def __init__(self, heavy_limit: int = 1) -> None:
        self.heavy_limit = heavy_limit
        self.specs: dict[str, Spec] = {}
        self.residents: dict[str, Residency] = {}
        self.pins: dict[str, bool] = {}
        self.budget = 0
        self.free: int | None = None
        self.gpu_limit: int | None = None
        self.most_loaded = 0
        self.pressure: Pressure = "normal"
        self._measured = 0.0
        self._learned: dict[tuple[str, int], int] = {}

    def twin(self) -> "MemoryLedger":
        """A copy that shares nothing that changes."""
        twin = copy(self)
        twin.residents = {weights: copy(resident) for weights, resident in self.residents.items()}
        twin.pins, twin._learned = dict(self.pins), dict(self._learned)  # noqa: SLF001 - its own class
        return twin

    # ---- what is learned ----

    def know(self, specs: tuple[Spec, ...]) -> None:
        """The catalogue as it is now; its footprints are newer than what was seen here."""
        self.specs = {spec.weights: spec for spec in specs}
        self._learned.clear()
        for resident in self.residents.values():
            spec = self.specs.get(resident.weights)
            resident.heavy = spec.heavy if spec else resident.heavy

    def measure(self, budget: int, free: int | None, pressure: Pressure, now: float) -> None:
        """Memory as it is now."""
        self.budget, self.free, self.pressure, self._measured = budget, free, pressure, now

    def limit(self, gpu_limit: int | None, most_loaded: int) -> None:
        """What Ollama goes by beside free memory: Metal's limit, and how many models it keeps loaded (0: unknown)."""
        self.gpu_limit, self.most_loaded = gpu_limit, most_loaded

    def learn(self, resident: Residency) -> None:
        """What it is seen to take it will take again."""
        self._learned[resident.weights, resident.context] = resident.settled

    def take(self, size: int, began: float) -> None:
        """Reckon with bytes taken (given back where negative) since ``began``, until free memory is measured again."""
        if self.free is not None and self._measured <= began:
            self.free = max(0, self.free - size)

    # ---- looks ----

    def name(self, weights: str) -> str:
        """How a person calls it."""
        spec = self.specs.get(weights)
        return spec.name if spec else weights

    def is_remote(self, weights: str) -> bool:
        """Whether it runs on another machine."""
        spec = self.specs.get(weights)
        return spec is not None and spec.remote

    def engine(self, weights: str) -> str:
        """The remote engine that runs it; empty for this machine's."""
        spec = self.specs.get(weights)
        return spec.engine if spec else ""

    def has(self, weights: str, need: int) -> bool:
        """Whether it can work now with at least ``need`` tokens of context."""
        resident = self.residents.get(weights)
        if resident is not None and resident.state == RESIDENT and resident.context >= need:
            return True
        return self.is_remote(weights)

    def is_coming(self, weights: str, need: int) -> bool:
        """Whether it is being loaded with at least ``need`` tokens of context."""
        resident = self.residents.get(weights)
        return resident is not None and resident.state == LOADING and resident.context >= need

    def context_for(self, weights: str, need: int) -> int:
        """The context that a load for ``need`` tokens would take."""
        return self.specs[weights].context_for(need)

    def bytes_for(self, weights: str, context: int) -> int:
        """Bytes it takes at that context: as seen in memory, else as the catalogue says."""
        seen = self._learned.get((weights, context))
        return self.specs[weights].bytes_at(context) if seen is None else seen

    def predicted_for(self, weights: str, context: int) -> int:
        """Bytes that Ollama will predict of it at that context."""
        predicted = self.specs[weights].predicted_at(context)
        return self.bytes_for(weights, context) if predicted is None else predicted

    def size(self, weights: str) -> int:
        """Bytes it takes, or would take; 0 for a remote or unknown one."""
        resident = self.residents.get(weights)
        if resident is not None:
            return resident.footprint
        spec = self.specs.get(weights)
        return 0 if spec is None or spec.remote else self.bytes_for(weights, spec.context)

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
        settled = sum(resident.settled for resident in self.residents.values())
        return self.has_too_many_heavy() or settled > self.budget


def obstacle(house: MemoryLedger, weights: str, need: int, cooling: Cooling | None, now: float) -> Passed | None:
    """Why a candidate can't be had at all, however long one waits; None where it can."""
    is_here = house.has(weights, need) or house.is_coming(weights, need)
    if is_here and not house.is_remote(weights):
        return None
    if cooling is not None and cooling.until > now:
        rest = f"not tried again for {cooling.until - now:.0f} s after: {cooling.message}"
        return Passed(weights, cooling.code, rest)
    if is_here:
        return None
    spec = house.specs.get(weights)
    if spec is None:
        return Passed(weights, "model_missing", f"{weights} is not pulled; `ollama pull {weights}`")
    if need > spec.footprints[-1][0]:
        return Passed(weights, "context_overflow", f"{spec.name} has no context of {need} tokens that fits")
    size = house.bytes_for(weights, spec.context_for(need))
    if size > house.budget:
        text = f"{spec.name} needs {gib(size)}, the budget for models is {gib(house.budget)}: it never fits"
        return Passed(weights, "never_fits", text)
    pinned = [r for r in house.residents.values() if r.weights in house.pins and r.weights != weights]
    heavy_pinned = sum(resident.heavy for resident in pinned)
    if (spec.heavy and heavy_pinned >= house.heavy_limit) or size + sum(r.settled for r in pinned) > house.budget:
        return beside_pinned(house, weights, pinned)
    if house.pressure == "critical":
        return Passed(weights, "memory_pressure", f"memory pressure is critical: {spec.name} is not loaded now")
    return None


def beside_pinned(house: MemoryLedger, weights: str, pinned: list[Residency]) -> Passed:
    """Only pinned models could make room."""
    names = ", ".join(house.name(resident.weights) for resident in pinned)
    text = f"{house.name(weights)} does not fit beside the pinned {names}; `innkeep unpin` makes room"
    return Passed(weights, "never_fits", text)


def fits(house: MemoryLedger, weights: str, context: int) -> bool:
    """Whether it can be loaded now without anybody leaving, by our rules and by Ollama's gate."""
    if weights in house.residents or (house.specs[weights].heavy and len(house.heavies()) >= house.heavy_limit):
        return False
    return _has_room(house, weights, context, [])


def _has_room(house: MemoryLedger, weights: str, context: int, leaving: list[Residency]) -> bool:
    """Whether there is room once these have left, by the budget, by Ollama's number of models and by its gate."""
    freed = sum(resident.footprint for resident in leaving)
    staying, used = len(house.residents) - len(leaving), house.used() - freed
    if used + house.bytes_for(weights, context) > house.budget:
        return False
    if not staying:
        return True
    if house.most_loaded and staying >= house.most_loaded:
        return False
    gate = ollama_gate(house.gpu_limit, house.free, freed=freed, loaded=used)
    return gate is None or house.predicted_for(weights, context) <= gate


def victims_for(
    house: MemoryLedger, weights: str, context: int, rank: Callable[[Residency], tuple[bool, float]]
) -> list[Residency] | None:
    """Who must leave: itself where its context is too small, the heavy one for a heavy, then the least recently used.

    ``rank`` puts the idle before the busy and the longest unused first. None where only pinned models could make room.
    """
    own = house.residents.get(weights)
    others = sorted((r for r in house.residents.values() if r is not own and r.weights not in house.pins), key=rank)
    victims = [own] if own else []
    if house.specs[weights].heavy:
        staying = len(house.heavies()) - sum(victim.heavy for victim in victims)
        heavy = [resident for resident in others if resident.heavy]
        victims += heavy[: max(0, staying - house.heavy_limit + 1)]
    for resident in others:
        if _has_room(house, weights, context, victims):
            break
        if resident not in victims:
            victims.append(resident)
    return victims if _has_room(house, weights, context, victims) else None
