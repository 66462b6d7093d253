"""Whether a model may be loaded, and if not, who would have to leave: decided before Ollama is asked.

Asking Ollama for a model that cannot fit makes it unload every other one, pinned ones too, before it refuses. And
beside others Ollama admits a model only if its prediction is at most 80 % of what it holds free; else it evicts the
others by itself, in its own order. So the rule includes that gate: what we call ``fits`` is what Ollama will do.
(0.33.0: there is no check of a model that comes alone, so ``never`` is ours alone to say.)

There is one rule (``shortage``, ``obstacle``): the scheduler loads by it, and ``judge_load`` puts it into words.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from innkeepd.policy.memory.budget import Budget, gib, ollama_gate
from innkeepd.policy.memory.unpulled import too_large
from innkeepd.policy.scheduling.events import Passed, Spec
from innkeepd.policy.scheduling.ledger import MemoryLedger
from innkeepd.policy.scheduling.residency import RESIDENT, Cooling, Residency

Fit: TypeAlias = Literal["resident", "fits", "tight", "after_eviction", "never", "missing"]
Shortage: TypeAlias = Literal["heavy", "bytes", "models", "gate"]
"""What keeps a model out: the heavy limit, the budget, how many models Ollama keeps, or Ollama's gate."""

TIGHT_SHARE = 0.1
"""Of the budget: with less room left than that it is tight."""


# ---- the rule ------------------------------------------------------------------------------------------------------


def obstacle(ledger: MemoryLedger, weights: str, need: int, cooling: Cooling | None, now: float) -> Passed | None:
    """Why a candidate can't be had at all, however long one waits; None where it can."""
    is_here = ledger.has(weights, need) or ledger.is_coming(weights, need)
    if is_here and not ledger.is_remote(weights):
        return None
    if cooling is not None and cooling.until > now:
        rest = f"not tried again for {cooling.until - now:.0f} s after: {cooling.message}"
        return Passed(weights, cooling.code, rest)
    if is_here:
        return None
    spec = ledger.specs.get(weights)
    if spec is None:
        text = too_large(weights, ledger.budget) or f"{weights} is not pulled; `ollama pull {weights}`"
        return Passed(weights, "model_missing", text)
    if need > spec.footprints[-1][0]:
        return Passed(weights, "context_overflow", f"{spec.name} has no context of {need} tokens that fits")
    size = ledger.bytes_for(weights, spec.context_for(need))
    if size > ledger.budget:
        text = f"{spec.name} needs {gib(size)}, the budget for models is {gib(ledger.budget)}: it never fits"
        return Passed(weights, "never_fits", text)
    pinned = _pinned(ledger, weights)
    heavy_pinned = sum(resident.heavy for resident in pinned)
    if (spec.heavy and heavy_pinned >= ledger.heavy_limit) or size + sum(r.settled for r in pinned) > ledger.budget:
        return pinned_in_the_way(ledger, weights)
    if ledger.pressure == "critical":
        return Passed(weights, "memory_pressure", f"memory pressure is critical: {spec.name} is not loaded now")
    return None


def pinned_in_the_way(ledger: MemoryLedger, weights: str) -> Passed:
    """Only pinned models could make room."""
    pinned = _pinned(ledger, weights)
    names = ", ".join(ledger.name(resident.weights) for resident in pinned)
    text = f"{ledger.name(weights)} does not fit beside the pinned {names}; `innkeep unpin` makes room"
    return Passed(weights, "never_fits", text)


def _pinned(ledger: MemoryLedger, weights: str) -> list[Residency]:
    return [r for r in ledger.residents.values() if r.weights in ledger.pins and r.weights != weights]


def shortage(ledger: MemoryLedger, weights: str, context: int, leaving: Collection[Residency] = ()) -> Shortage | None:
    """What keeps a model out once these have left; None: it may be loaded."""
    staying = [resident for resident in ledger.residents.values() if resident not in leaving]
    if ledger.specs[weights].heavy and sum(resident.heavy for resident in staying) >= ledger.heavy_limit:
        return "heavy"
    used = sum(resident.footprint for resident in staying)
    if used + ledger.bytes_for(weights, context) > ledger.budget:
        return "bytes"
    if not staying:
        return None
    if ledger.most_loaded and len(staying) >= ledger.most_loaded:
        return "models"
    gate = gate_beside(ledger, used, sum(ledger.gives_back(resident) for resident in leaving))
    return "gate" if gate is not None and ledger.predicted_for(weights, context) > gate else None


def gate_beside(ledger: MemoryLedger, loaded: int, freed: int = 0) -> int | None:
    """The largest prediction that Ollama admits beside ``loaded`` bytes once ``freed`` were given back."""
    return ollama_gate(ledger.gpu_limit, ledger.free, freed=freed, loaded=loaded)


def fits(ledger: MemoryLedger, weights: str, context: int) -> bool:
    """Whether it can be loaded now without anybody leaving, by our rules and by Ollama's gate."""
    return weights not in ledger.residents and shortage(ledger, weights, context) is None


def victims_for(
    ledger: MemoryLedger, weights: str, context: int, rank: Callable[[Residency], tuple[bool, float]]
) -> list[Residency] | None:
    """Who must leave: itself where its context is too small, the heavy one for a heavy, then the least recently used.

    ``rank`` puts the idle before the busy and the longest unused first. None where only pinned models could make room.
    """
    own = ledger.residents.get(weights)
    others = sorted((r for r in ledger.residents.values() if r is not own and r.weights not in ledger.pins), key=rank)
    victims = [own] if own else []
    if ledger.specs[weights].heavy:
        staying = len(ledger.heavies()) - sum(victim.heavy for victim in victims)
        heavy = [resident for resident in others if resident.heavy]
        victims += heavy[: max(0, staying - ledger.heavy_limit + 1)]
    for resident in others:
        if shortage(ledger, weights, context, victims) is None:
            break
        if resident not in victims:
            victims.append(resident)
    return victims if shortage(ledger, weights, context, victims) is None else None


# ---- the rule in words ---------------------------------------------------------------------------------------------


class SizedModel(Struct, frozen=True):
    """A model at its context, as memory sees it: ``footprint`` in bytes.

    ``predicted`` is what Ollama predicts of it before a load, bytes; 0: its footprint.
    """

    name: str
    weights: str
    footprint: int
    heavy: bool = False
    predicted: int = 0

    @property
    def asks(self) -> int:
        """Bytes that Ollama's gate compares with what is free."""
        return self.predicted or self.footprint


class Verdict(Struct, frozen=True):
    """``fit``, the sum and the limit in words, and the weights that must leave first (in that order)."""

    fit: Fit
    reason: str
    evict: tuple[str, ...] = ()


def missing(name: str, budget: int | None = None) -> Verdict:
    """The verdict on a model that is not on the disk; with a ``budget`` (bytes) no pull is advised for nothing."""
    if budget is not None and (text := too_large(name, budget)) is not None:
        return Verdict("never", text)
    return Verdict("missing", f"{name} is not pulled; get it with: ollama pull {name}")


def judge_load(ledger: MemoryLedger, weights: str, budget: Budget) -> Verdict:
    """What a load of these known, local weights would come to now; ``budget`` says where the limit comes from."""
    name, context = ledger.name(weights), ledger.context_for(weights, 0)
    size = ledger.bytes_for(weights, context)
    if weights in ledger.residents:
        return Verdict("resident", f"{name} is in memory ({gib(ledger.size(weights))})")
    if size > ledger.budget:
        return Verdict("never", _never(name, size, ledger.budget, budget))
    victims = victims_for(ledger, weights, context, lambda resident: (False, resident.used))
    if victims is None:
        return Verdict("never", pinned_in_the_way(ledger, weights).message)
    why = obstacle(ledger, weights, 0, None, 0.0)
    note = "" if why is None else f"; {why.message}"
    if victims:
        names = ", ".join(ledger.name(victim.weights) for victim in victims)
        reason = f"{_short(ledger, weights, context)}: {names} must be unloaded first{note}"
        return Verdict("after_eviction", reason, tuple(victim.weights for victim in victims))
    return _admitted(ledger, name, size, note)


def judge(
    guest: SizedModel,
    residents: Sequence[SizedModel],
    budget: Budget,
    free: int | None = None,
    *,
    heavy_limit: int = 1,
    most_loaded: int = 0,
) -> Verdict:
    """``judge_load`` where no scheduler runs: ``residents`` are in memory, the first to leave first.

    ``free`` is ``Reading.free_now``, ``most_loaded`` how many models Ollama keeps loaded; 0: no limit.
    """
    ledger = MemoryLedger(heavy_limit)
    sized = {model.weights: model for model in (*residents, guest)}
    ledger.know(tuple(_spec(model) for model in sized.values()))
    ledger.measure(budget.bytes, free, "normal", 0.0)
    ledger.limit(budget.gpu_limit, most_loaded)
    for order, model in enumerate(residents):
        resident = Residency(model.weights, 0, model.footprint, model.heavy, state=RESIDENT, used=float(order))
        ledger.residents[model.weights] = resident
    return judge_load(ledger, guest.weights, budget)


def _spec(model: SizedModel) -> Spec:
    sizes, predicted = ((0, model.footprint),), ((0, model.asks),)
    return Spec(model.weights, model.name, sizes, 0, heavy=model.heavy, predicted=predicted)


def together(guests: Sequence[SizedModel], budget: Budget, *, heavy_limit: int = 1) -> Verdict:
    """Whether these models may ever stand in memory at the same time: ``fits``, ``tight`` or ``never``."""
    if sum(guest.heavy for guest in guests) > heavy_limit:
        return Verdict("never", f"at most {heavy_limit} heavy model{'s' * (heavy_limit != 1)} at a time")
    total = sum(guest.footprint for guest in guests)
    text = f"{gib(total)} of a budget of {gib(budget.bytes)}"
    if total > budget.bytes:
        return Verdict("never", f"{text}: {gib(total - budget.bytes)} too much")
    return Verdict("tight" if _is_tight(total, budget.bytes) else "fits", text)


def _short(ledger: MemoryLedger, weights: str, context: int) -> str:
    """Why somebody must leave."""
    match shortage(ledger, weights, context):
        case "heavy":
            return f"at most {ledger.heavy_limit} heavy model{'s' * (ledger.heavy_limit != 1)} at a time"
        case "models":
            return f"Ollama keeps at most {ledger.most_loaded} models loaded"
        case "gate":
            asks = gib(ledger.predicted_for(weights, context))
            return (
                f"beside others Ollama admits at most {gib(gate_beside(ledger, ledger.used()) or 0)} now (80 % of what "
                f"it counts as free), and it predicts {asks} for {ledger.name(weights)}"
            )
        case _:
            sums = _sums(ledger, ledger.name(weights), ledger.bytes_for(weights, context))
            return f"{sums} is over the budget of {gib(ledger.budget)}"


def _admitted(ledger: MemoryLedger, name: str, size: int, note: str) -> Verdict:
    total = ledger.used() + size
    reason = f"{_sums(ledger, name, size)}, budget {gib(ledger.budget)}, {gib(ledger.budget - total)} left"
    if ledger.free is not None and size > ledger.free:
        reason += f"; only {gib(ledger.free)} are free now, so other programs will be compressed or swapped"
    if _is_tight(total, ledger.budget):
        return Verdict("tight", f"{reason}; close other programs if the machine gets slow{note}")
    return Verdict("fits", reason + note)


def _never(name: str, size: int, limit: int, budget: Budget) -> str:
    bound = (
        f"Metal's limit of {gib(budget.gpu_limit)} ({budget.gpu_limit_source})"
        if budget.gpu_limit is not None and budget.bytes == budget.gpu_limit
        else "what this machine can give to models"
    )
    return (
        f"{name} takes {gib(size)}, the budget is {gib(limit)}, {bound}: {gib(size - limit)} too much. "
        "Choose a smaller model or quantization, or a smaller context"
    )


def _is_tight(total: int, budget: int) -> bool:
    return budget - total < TIGHT_SHARE * budget


def _sums(ledger: MemoryLedger, name: str, size: int) -> str:
    """Readable sum: 8b 5.3 GiB + 32b 21.4 GiB = 26.7 GiB."""
    residents = [(ledger.name(each.weights), each.footprint) for each in ledger.residents.values()]
    parts = " + ".join(f"{each} {gib(footprint)}" for each, footprint in [(name, size), *residents])
    return f"{parts} = {gib(ledger.used() + size)}" if residents else parts
