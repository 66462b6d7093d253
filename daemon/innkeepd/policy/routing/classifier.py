"""The trained classifier: one number a feature and role, summed; whoever may read files hands the weights in.

A linear model over ``features``: score(role) = bias + scale / sqrt(n) * the sum of the weights of n features.
How the weights are made: ``tools/routing/README.md``.
"""

import math
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from innkeepd.policy.routing.features import BUCKETS, VERSION, features, words

__all__ = ["ROLES", "Classifier", "Header", "decode", "encode"]

ROLES = ("coding", "reasoning", "general")
SHOWN = 40
"""Words of a text that are weighed one by one where somebody asks what decided."""


class Header(Struct, frozen=True):
    """The first line of a weights file, in JSON; behind it stand ``len(ROLES)`` times ``buckets`` signed bytes."""

    version: int
    buckets: int
    scale: float
    bias: tuple[float, float, float]
    temperature: float


class Classifier:
    """Scores by role for a text. Keep one: its weights are a view of the bytes that it was made of."""

    def __init__(self, header: Header, rows: tuple[memoryview, ...]) -> None:
        self.header = header
        self._rows = rows

    def __repr__(self) -> str:
        return f"Classifier({self.header.buckets} buckets)"

    def scores(self, text: str, most: int | None = None) -> dict[str, float]:
        """Log-odds by role, up to a constant. ``most``: how many characters to read where that is less than usual."""
        return self.weigh(features(text if most is None else text[:most]))

    def decisive(self, text: str, role: str, limit: int = 4) -> list[str]:
        """The words of ``text`` that speak most for ``role``, the loudest first."""
        weighed = {}
        for word in list(dict.fromkeys(words(text)))[:SHOWN]:
            said = self.weigh(features(word))
            others = [score for name, score in said.items() if name != role]
            weighed[word] = said[role] - sum(others) / len(others)
        loud = sorted(weighed, key=lambda word: -weighed[word])
        return [word for word in loud if weighed[word] > 0 and any(map(str.isalnum, word))][:limit]

    def weigh(self, found: set[int]) -> dict[str, float]:
        """As ``scores``, of a text's ``features``."""
        factor = self.header.scale / math.sqrt(len(found) or 1)
        return {
            role: base + factor * sum(map(row.__getitem__, found))
            for role, base, row in zip(ROLES, self.header.bias, self._rows, strict=True)
        }


def decode(data: bytes) -> Classifier:
    """A classifier of a weights file. Raises ``ValueError`` where the bytes are none that fit these features."""
    line, _, body = data.partition(b"\n")
    try:
        header = msgspec.json.decode(line, type=Header)
    except msgspec.DecodeError as error:
        msg = f"not a weights file: {error}"
        raise ValueError(msg) from None
    if (header.version, header.buckets) != (VERSION, BUCKETS) or len(body) != BUCKETS * len(ROLES):
        msg = f"weights of version {header.version} with {header.buckets} buckets and {len(body)} bytes do not fit"
        raise ValueError(msg)
    view = memoryview(body).cast("b")
    return Classifier(header, tuple(view[at * BUCKETS : (at + 1) * BUCKETS] for at in range(len(ROLES))))


def encode(header: Header, rows: Mapping[str, bytes]) -> bytes:
    """A weights file: the opposite of ``decode``; ``rows``: the signed bytes of each role."""
    return b"".join((msgspec.json.encode(header), b"\n", *(rows[role] for role in ROLES)))
