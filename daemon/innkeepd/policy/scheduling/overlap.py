"""How many answers a model writes at once, learned from when they began and ended.

Where Ollama has fewer slots than innkeepd grants, a granted request gets no token until another one's answer has ended.
One pair of answers that were written at the same time proves two slots, for ever; that there are no more is believed
after ``ENOUGH`` requests that stood beside somebody else's answer for ``BESIDE`` seconds and got none.
"""

from collections.abc import Sequence

from msgspec import Struct

ENOUGH = 8
"""Requests that must have waited beside an answer in vain."""
BESIDE = 2.0
"""Seconds of that, more than most prompts take to read."""


class Answer(Struct, frozen=True):
    """One answer of a model: when it was granted, when its first token came, when it ended; seconds on one clock."""

    granted: float
    first: float
    ended: float


def slots_seen(answers: Sequence[Answer]) -> int | None:
    """How many of these answers were written at once, where that is all there can be; None where it cannot be told."""
    if sum(_waited_in_vain(each, answers) for each in answers) < ENOUGH:
        return None
    written = max(_writing(each.first, answers) for each in answers)
    granted = max(sum(other.granted <= each.granted < other.ended for other in answers) for each in answers)
    return written if written < granted else None


def _writing(at: float, answers: Sequence[Answer]) -> int:
    return sum(each.first <= at < each.ended for each in answers)


def _waited_in_vain(own: Answer, answers: Sequence[Answer]) -> bool:
    """Whether it waited beside somebody else's writing, and began only once that had ended."""
    return any(
        other is not own
        and min(own.first, other.ended) - max(own.granted, other.first) >= BESIDE
        and own.first >= other.ended
        for other in answers
    )
