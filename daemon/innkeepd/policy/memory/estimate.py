"""What past loads and answers taught of each model: decaying averages, each with the count of what it rests on.

They foretell waits and sizes for people and budgets; the order of the line never depends on them.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, TypedDict

import msgspec
from msgspec import Struct, field, structs

from innkeepd.policy.model import MOST_BYTES

FRESH = 0.2
"""The weight of a new observation, once there are enough: the last five or so count."""

SHORT_PROMPT = 128
"""Tokens of a prompt below which its time tells nothing of the speed."""


class Durations(TypedDict):
    """Seconds as ``events.Spec`` wants them."""

    load_s: float | None
    unload_s: float | None
    service_s: float | None


class Average(Struct, frozen=True):
    """A decaying average over ``count`` observations; the first ones count alike."""

    value: float
    count: int

    def joined(self, value: float) -> "Average":
        """With one more observation."""
        weight = max(FRESH, 1 / (self.count + 1))
        return Average(self.value + weight * (value - self.value), self.count + 1)


class Learned(Struct, frozen=True):
    """What is known of one model: seconds, tokens a second, and bytes by context (a text, as JSON wants its keys)."""

    load: Average | None = None
    unload: Average | None = None
    decode: Average | None = None
    prefill: Average | None = None
    service: Average | None = None
    footprints: dict[str, Average] = field(default_factory=dict)
    growths: dict[str, Average] = field(default_factory=dict)
    """The most bytes that it grew since a load, by ``context@version`` of Ollama."""


class Estimates:
    """What is known of every model, by weights. Observations that are no positive numbers are passed over."""

    def __init__(self) -> None:
        self._of: dict[str, Learned] = {}
        self._unread: set[str] = set()

    def __repr__(self) -> str:
        return f"Estimates({sorted(self._of)})"

    # ---- learning ----

    def learned_load(self, weights: str, seconds: float) -> None:
        """A load took so long. The runner has read no prompt yet."""
        self._unread.add(weights)
        self._learn(weights, "load", seconds)

    def learned_unload(self, weights: str, seconds: float) -> None:
        """An unload took so long, its proof included."""
        self._learn(weights, "unload", seconds)

    def learned_answer(self, weights: str, *, service: float = 0.0, decode: float = 0.0, prefill: float = 0.0) -> None:
        """An answer took ``service`` seconds, at ``decode`` tokens a second; 0 where not known."""
        self._learn(weights, "service", service)
        self._learn(weights, "decode", decode)
        self._learn(weights, "prefill", prefill)

    def is_first_prompt(self, weights: str) -> bool:
        """Whether a prompt that is read now is the first since the load, so that nothing of it can be cached."""
        is_first = weights in self._unread
        self._unread.discard(weights)
        return is_first

    def learned_prefill(self, weights: str, tokens: int, seconds: float, *, is_first: bool) -> None:
        """A prompt of so many tokens was read in so many seconds.

        Tokens in the runner's cache are counted but take no time (``generate_cached_prefix_2``: 376 in 3 ms), so what
        is told is never slower than the truth: it counts where nothing was cached, and else where it is slower than
        what is known. Short prompts tell the overhead rather than the speed.
        """
        if tokens < SHORT_PROMPT or not seconds > 0:
            return
        known, measured = self.prefill(weights), tokens / seconds
        if is_first or (known is not None and measured < known):
            self._learn(weights, "prefill", measured)

    def learned_footprint(self, weights: str, context: int, size: int, *, most: bool = False) -> None:
        """It takes ``size`` bytes at this context. Newest wins: bytes change with the engine, not by chance.

        ``most``: the largest wins, for a model that grows while it is loaded.
        """
        before = self.of(weights)
        known = before.footprints.get(str(context))
        if size > 0 and not (most and known is not None and known.value >= size):
            count = known.count if known is not None else 0
            footprints = before.footprints | {str(context): Average(size, count + 1)}
            self._of[weights] = structs.replace(before, footprints=footprints)

    def learned_growth(self, weights: str, context: int, version: str, size: int) -> None:
        """It grew by ``size`` bytes since its load, with this context and version of Ollama. The largest wins."""
        before, key = self.of(weights), f"{context}@{version}"
        known = before.growths.get(key)
        if 0 < size < MOST_BYTES and not (known is not None and known.value >= size):
            grown = Average(size, known.count + 1 if known is not None else 1)
            self._of[weights] = structs.replace(before, growths=before.growths | {key: grown})

    def _learn(self, weights: str, what: str, value: float) -> None:
        if isfinite(value) and value > 0:
            before: Average | None = getattr(self.of(weights), what)
            now = before.joined(value) if before else Average(value, 1)
            self._of[weights] = structs.replace(self.of(weights), **{what: now})

    # ---- looks ----

    def of(self, weights: str) -> Learned:
        """Everything about one model."""
        return self._of.get(weights, Learned())

    def durations(self, weights: str) -> Durations:
        """Seconds of a load, an unload and an answer; None until learned."""
        known = self.of(weights)
        return {"load_s": _value(known.load), "unload_s": _value(known.unload), "service_s": _value(known.service)}

    def prefill(self, weights: str) -> float | None:
        """Tokens of a prompt read in a second; None until learned."""
        return _value(self.of(weights).prefill)

    @property
    def footprints(self) -> dict[tuple[str, int], int]:
        """Bytes by (weights, context), as ``/api/ps`` told after a load."""
        return {
            (weights, int(context)): int(size.value)
            for weights, known in self._of.items()
            for context, size in known.footprints.items()
        }

    def view(self, weights: str) -> dict[str, Any] | None:
        """One model's estimates as ``models list --json`` shows them; None where nothing is known."""
        return msgspec.to_builtins(self._of[weights]) if weights in self._of else None

    # ---- across restarts ----

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {weights: msgspec.to_builtins(known) for weights, known in self._of.items()}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Estimates":
        """What ``to_dict`` gave; what cannot be read (another version, a damaged file) is forgotten."""
        estimates = cls()
        estimates.restore(kept)
        return estimates

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take over what ``to_dict`` gave, in place."""
        for weights, raw in kept.items():
            try:
                known = msgspec.convert(raw, Learned)
            except msgspec.ValidationError:
                continue
            averages = (known.load, known.unload, known.decode, known.prefill, known.service)
            if all(map(_is_sane, (*averages, *known.footprints.values(), *known.growths.values()))) and all(
                map(_is_tokens, known.footprints)
            ):
                self._of[weights] = known


def _is_sane(average: Average | None) -> bool:
    """Whether it is what ``joined`` could have made; a file may have been edited."""
    return average is None or (0 < average.value < MOST_BYTES and average.count > 0)


def _is_tokens(context: str) -> bool:
    return context.isdecimal() and context.isascii() and len(context) < 16


def _value(average: Average | None) -> float | None:
    return average.value if average else None
