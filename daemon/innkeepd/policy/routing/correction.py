"""The correction that is fitted to the user's feedback: a small bounded term that is added to the router's scores.

    sketch of a prompt's features + the scores it got + the role it should have had -> fit -> a correction a role

An example holds at most ``SKETCH`` numbers below ``BUCKETS``, never text. The correction is a multinomial logistic
regression over them with the router's own scores as offset, fitted by gradient descent with an L2 penalty. It
adds at most ``STRENGTH`` log-odds to a role, so the user's keywords (20) and clear prompts stay as they are.
"""

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from innkeepd.policy.routing.classifier import ROLES
from innkeepd.policy.routing.features import BUCKETS

__all__ = ["Correction", "Example", "Measure", "Refit", "fit", "measure", "refit", "sketch"]

SKETCH = 256
"""Features that are kept of a prompt: those with the smallest numbers, so that similar prompts keep the same ones."""
STRENGTH = 2.0
"""Log-odds that a correction adds to a role, or takes, at most."""
EPOCHS, RATE, PENALTY = 25, 0.5, 0.002
FEWEST, FEWEST_HELD_BACK = 8, 2
"""Examples, and held-back ones among them, without which nothing is fitted."""


class Example(Struct, frozen=True, array_like=True):
    """A prompt as ``sketch`` keeps it, the scores (``ROLES``' order) it got without correction, and its right role."""

    sketch: tuple[int, ...]
    scores: tuple[float, float, float]
    role: str

    @property
    def is_held_back(self) -> bool:
        """Whether it is used for measuring and never for fitting: a quarter of all, always the same ones."""
        return sum(self.sketch) % 4 == 0


class Correction(Struct, frozen=True):
    """Weights by feature (its number as text, as JSON keys are), one a role of ``ROLES``."""

    weights: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    def scores(self, kept: Sequence[int]) -> tuple[float, float, float]:
        """Log-odds to add by role for a sketch, each within ``STRENGTH``."""
        rows = [row for number in kept if (row := self.weights.get(str(number))) is not None]
        factor = 1 / math.sqrt(len(kept) or 1)
        first, second, third = (_bounded(factor * sum(row[at] for row in rows)) for at in range(len(ROLES)))
        return first, second, third


class Measure(Struct, frozen=True):
    """How many of ``total`` examples are right, and their mean log-loss in nats."""

    right: int
    total: int
    loss: float


class Refit(Struct, frozen=True):
    """A fitted correction, and the held-back examples measured with the correction in force and with this one."""

    correction: Correction
    fitted: int
    before: Measure
    after: Measure

    @property
    def is_better(self) -> bool:
        """Not one right answer less, and a smaller loss."""
        return self.after.right >= self.before.right and self.after.loss < self.before.loss


def sketch(found: set[int]) -> tuple[int, ...]:
    """The ``SKETCH`` smallest of a prompt's features."""
    if len(found) > 4 * SKETCH:  # sorting thousands takes longer than routing
        found = {number for number in found if number < 2 * SKETCH * BUCKETS // len(found)}
    return tuple(sorted(found)[:SKETCH])


def fit(examples: Sequence[Example]) -> Correction:
    """Fit a correction to the examples. The same examples in the same order give the same weights."""
    table: dict[int, list[float]] = {number: [0.0] * len(ROLES) for each in examples for number in each.sketch}
    for _ in range(EPOCHS):
        for each in examples:
            rows = [table[number] for number in each.sketch]
            factor = 1 / math.sqrt(len(rows) or 1)
            added = [_bounded(factor * sum(row[at] for row in rows)) for at in range(len(ROLES))]
            shares = _shares([score + extra for score, extra in zip(each.scores, added, strict=True)])
            steps = [RATE * factor * ((role == each.role) - share) for role, share in zip(ROLES, shares, strict=True)]
            for row in rows:
                row[:] = [(1 - RATE * PENALTY) * value + step for value, step in zip(row, steps, strict=True)]
    return Correction({str(number): (row[0], row[1], row[2]) for number, row in table.items()})


def measure(examples: Sequence[Example], correction: Correction) -> Measure:
    """Right answers and log-loss of the examples with ``correction``."""
    right, loss = 0, 0.0
    for each in examples:
        added = correction.scores(each.sketch)
        shares = _shares([score + extra for score, extra in zip(each.scores, added, strict=True)])
        by_role: Mapping[str, float] = dict(zip(ROLES, shares, strict=True))
        right += max(ROLES, key=by_role.__getitem__) == each.role
        loss -= math.log(max(by_role[each.role], 1e-12))
    return Measure(right, len(examples), loss / (len(examples) or 1))


def refit(examples: Sequence[Example], current: Correction) -> Refit | None:
    """Fit to three quarters and measure on the rest; None where there are too few examples for either."""
    held_back = [each for each in examples if each.is_held_back]
    fitted = [each for each in examples if not each.is_held_back]
    if len(examples) < FEWEST or len(held_back) < FEWEST_HELD_BACK or not fitted:
        return None
    correction = fit(fitted)
    return Refit(correction, len(fitted), measure(held_back, current), measure(held_back, correction))


def _bounded(value: float) -> float:
    return max(-STRENGTH, min(STRENGTH, value))


def _shares(scores: Sequence[float]) -> list[float]:
    most = max(scores)
    powers = [math.exp(score - most) for score in scores]
    return [power / sum(powers) for power in powers]
