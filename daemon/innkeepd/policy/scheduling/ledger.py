"""What stands in memory, what is known of models, and the bytes there are. ``memory.admission`` has the rule."""

from copy import copy

from innkeepd.policy.scheduling.events import Pressure, Spec
from innkeepd.policy.scheduling.residency import LOADING, RESIDENT, UNLOADING, Residency

UNWIRED_AFTER = 180.0
"""Seconds: ``keep_alive_s`` of ggml-metal's residency sets."""


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

    def is_heavy(self, weights: str) -> bool:
        """Whether weights are heavy; those in memory that the catalogue does not know are judged by their size."""
        known = self.residents.get(weights) or self.specs.get(weights)
        return known is not None and known.heavy

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

    def gives_back(self, resident: Residency) -> int:
        """Bytes that its unload adds to ``free`` as it was measured: none where it looked free already.

        On a Mac the weights of a model that has been idle for ``UNWIRED_AFTER`` are pages of a file that Ollama's sum
        counts as free (llama.cpp keeps them wired for 3 minutes after the last use).
        """
        is_unwired = self.gpu_limit is not None and resident.used + UNWIRED_AFTER <= self._measured
        return 0 if is_unwired else resident.footprint

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
