"""Whether a model fits, and if not, who would have to go: decided before Ollama is asked.

Asking Ollama for a model that cannot fit makes it unload every other one, pinned ones too, before it refuses. And
beside others Ollama admits a model only if its prediction is at most 80 % of what it holds free; else it evicts the
others by itself, in its own order. So the verdict includes that gate: what we call ``fits`` is what Ollama will do.
(0.33.0: there is no check of a model that comes alone, so ``never`` is ours alone to say.)
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from innkeepd.policy.memory.budget import Budget, gib

Fit: TypeAlias = Literal["resident", "fits", "tight", "after_eviction", "never", "missing"]

OLLAMA_SHARE = 0.8
"""Of what Ollama holds free, for a model that comes beside others (``server/sched.go``, 2026-08)."""
TIGHT_SHARE = 0.1
"""Of the budget: a house with less room left than that is tight."""


DEFAULT_MOST_LOADED = 3
"""How many models Ollama keeps loaded for each GPU where ``OLLAMA_MAX_LOADED_MODELS`` is not set (0.17.4, 0.33.0)."""


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


def ollama_gate(gpu_limit: int | None, free: int | None, *, freed: int = 0, loaded: int = 0) -> int | None:
    """The largest prediction that Ollama admits beside others, bytes; None where memory could not be read.

    80 % of the smaller of Metal's limit less ``loaded`` (Ollama subtracts what its runners hold, as ``/api/ps`` tells)
    and free memory ``free`` (Ollama's formula) with ``freed`` bytes given back before.
    """
    if free is None:
        return None
    held = free + freed if gpu_limit is None else min(free + freed, gpu_limit - loaded)
    return int(OLLAMA_SHARE * max(held, 0))


def missing(name: str) -> Verdict:
    """The verdict on a model that is not on the disk."""
    return Verdict("missing", f"{name} is not pulled; get it with: ollama pull {name}")


def judge(
    guest: SizedModel,
    residents: Sequence[SizedModel],
    budget: Budget,
    free: int | None = None,
    *,
    heavy_limit: int = 1,
    most_loaded: int = 0,
) -> Verdict:
    """Whether ``guest`` may come in beside ``residents``, the first to leave first; ``free``: ``Reading.free_now``.

    ``most_loaded`` is how many models Ollama keeps loaded; 0: no limit.
    """
    if any(other.weights == guest.weights for other in residents):
        return Verdict("resident", f"{guest.name} is in memory ({gib(guest.footprint)})")
    if guest.footprint > budget.bytes:
        return Verdict("never", _never(guest, budget))
    staying = list(residents)
    leaving: list[SizedModel] = []
    reason = ""

    def show_out(other: SizedModel) -> None:
        staying.remove(other)
        leaving.append(other)

    heavies = [other for other in residents if other.heavy]
    if guest.heavy:
        for other in heavies[: max(len(heavies) + 1 - heavy_limit, 0)]:
            show_out(other)
            reason = reason or f"at most {heavy_limit} heavy model{'s' * (heavy_limit != 1)} at a time"
    while staying and _sum(staying) + guest.footprint > budget.bytes:
        reason = reason or f"{_sums(guest, staying)} is over the budget of {gib(budget.bytes)}"
        show_out(staying[0])
    while staying and most_loaded and len(staying) >= most_loaded:
        reason = reason or f"Ollama keeps at most {most_loaded} models loaded"
        show_out(staying[0])
    while staying and (gate := _gate(budget, free, leaving, staying)) is not None and guest.asks > gate:
        reason = reason or (
            f"beside others Ollama admits at most {gib(gate)} now (80 % of what it counts as free), "
            f"and it predicts {gib(guest.asks)} for {guest.name}"
        )
        show_out(staying[0])

    if leaving:
        names = ", ".join(other.name for other in leaving)
        return Verdict("after_eviction", f"{reason}: {names} must leave first", tuple(o.weights for o in leaving))
    return _admitted(guest, staying, budget, free)


def together(guests: Sequence[SizedModel], budget: Budget, *, heavy_limit: int = 1) -> Verdict:
    """Whether these models may ever stand in memory at the same time: ``fits``, ``tight`` or ``never``."""
    if sum(guest.heavy for guest in guests) > heavy_limit:
        return Verdict("never", f"at most {heavy_limit} heavy model{'s' * (heavy_limit != 1)} at a time")
    total = _sum(guests)
    text = f"{gib(total)} of a budget of {gib(budget.bytes)}"
    if total > budget.bytes:
        return Verdict("never", f"{text}: {gib(total - budget.bytes)} too much")
    return Verdict("tight" if _is_tight(total, budget) else "fits", text)


def _gate(budget: Budget, free: int | None, leaving: Sequence[SizedModel], staying: Sequence[SizedModel]) -> int | None:
    return ollama_gate(budget.gpu_limit, free, freed=_sum(leaving), loaded=_sum(staying))


def _admitted(guest: SizedModel, staying: Sequence[SizedModel], budget: Budget, free: int | None) -> Verdict:
    total = _sum(staying) + guest.footprint
    left = budget.bytes - total
    reason = f"{_sums(guest, staying)}, budget {gib(budget.bytes)}, {gib(left)} left"
    if free is not None and guest.footprint > free:
        reason += f"; only {gib(free)} are free now, so other programs will be compressed or swapped"
    if _is_tight(total, budget):
        return Verdict("tight", f"{reason}; close other programs if the machine gets slow")
    return Verdict("fits", reason)


def _never(guest: SizedModel, budget: Budget) -> str:
    bound = (
        f"Metal's limit of {gib(budget.gpu_limit)} ({budget.gpu_limit_source})"
        if budget.gpu_limit is not None and budget.bytes == budget.gpu_limit
        else "what this machine can give to models"
    )
    return (
        f"{guest.name} takes {gib(guest.footprint)}, the budget is {gib(budget.bytes)}, {bound}: "
        f"{gib(guest.footprint - budget.bytes)} too much. Choose a smaller model or quantization, or a smaller context"
    )


def _is_tight(total: int, budget: Budget) -> bool:
    return budget.bytes - total < TIGHT_SHARE * budget.bytes


def _sum(guests: Sequence[SizedModel]) -> int:
    return sum(guest.footprint for guest in guests)


def _sums(guest: SizedModel, staying: Sequence[SizedModel]) -> str:
    """Readable sum: 8b 5.3 GiB + 32b 21.4 GiB = 26.7 GiB."""
    parts = " + ".join(f"{each.name} {gib(each.footprint)}" for each in (guest, *staying))
    return f"{parts} = {gib(_sum(staying) + guest.footprint)}" if staying else parts
