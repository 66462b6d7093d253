"""The trained classifier: one weight a feature and role, summed. It is made of bytes that the caller reads.

A linear model over ``features``: score(role) = bias + scale * (sum of the body's weights / sqrt(their number) + the
same of the ends). How the weights are made: ``tools/routing/README.md``.
"""

import math
from collections.abc import Collection, Mapping
from operator import itemgetter

import msgspec
from msgspec import Struct

from innkeepd.policy.routing.features import BUCKETS, VERSION, Features, features, of_word, words

__all__ = ["ROLES", "Classifier", "Header", "decode", "encode"]

ROLES = ("coding", "reasoning", "general")
SHOWN = 40
"""Words of a text that are weighed one by one when somebody asks which words decided."""

_ZERO = 128
"""Weights are held as unsigned bytes, this much above their value: Python keeps small numbers ready, which is fast."""
_UNSIGNED = bytes((value + _ZERO) % 256 for value in range(256))


class Header(Struct, frozen=True):
    """The first line of a weights file, in JSON; ``len(ROLES)`` times ``buckets`` signed bytes follow it.

    ``temperature``: what the router divides its scores by before the softmax.
    """

    version: int
    buckets: int
    scale: float
    bias: tuple[float, float, float]
    temperature: float


class Classifier:
    """Scores by role for a text. Keep one instance: it holds a copy of its weights."""

    def __init__(self, header: Header, rows: tuple[bytes, ...]) -> None:
        """``rows``: signed bytes by role, in the order of ``ROLES``."""
        self.header = header
        self._rows = tuple(row.translate(_UNSIGNED) for row in rows)

    def __repr__(self) -> str:
        return f"Classifier({self.header.buckets} buckets)"

    def scores(self, text: str, most: int | None = None) -> dict[str, float]:
        """Log-odds by role, up to a constant. ``most``: read at most so many characters."""
        return self.weigh(features(text if most is None else text[:most]))

    def decisive(self, text: str, role: str, limit: int = 4) -> list[str]:
        """The words of ``text`` that speak most for ``role``, in descending order."""
        weighed = {}
        for word in list(dict.fromkeys(words(text)))[:SHOWN]:
            own, *others = sorted(
                zip(ROLES, self._shares(of_word(word)), strict=True), key=lambda pair: pair[0] != role
            )
            weighed[word] = own[1] - sum(score for _, score in others) / len(others)
        strongest = sorted(weighed, key=lambda word: -weighed[word])
        return [word for word in strongest if weighed[word] > 0 and any(map(str.isalpha, word))][:limit]

    def weigh(self, found: Features) -> dict[str, float]:
        """As ``scores``, of a text's ``features``."""
        shares = zip(ROLES, self.header.bias, self._shares(found.body), self._shares(found.ends), strict=True)
        return {role: bias + body + ends for role, bias, body, ends in shares}

    def _shares(self, found: Collection[int]) -> list[float]:
        """What one group of features adds to each role."""
        if not found:
            return [0.0] * len(ROLES)
        pick = itemgetter(*found, 0)  # the last one makes it a tuple even for one feature
        factor = self.header.scale / math.sqrt(len(found))
        return [factor * (sum(pick(row)) - row[0] - _ZERO * len(found)) for row in self._rows]


def decode(data: bytes) -> Classifier:
    """The classifier of a weights file. Raises ``ValueError`` where the bytes do not fit these features."""
    line, _, body = data.partition(b"\n")
    try:
        header = msgspec.json.decode(line, type=Header)
    except msgspec.DecodeError as error:
        msg = f"not a weights file: {error}"
        raise ValueError(msg) from None
    if (header.version, header.buckets) != (VERSION, BUCKETS) or len(body) != BUCKETS * len(ROLES):
        msg = f"weights of version {header.version} with {header.buckets} buckets and {len(body)} bytes do not fit"
        raise ValueError(msg)
    return Classifier(header, tuple(body[at * BUCKETS : (at + 1) * BUCKETS] for at in range(len(ROLES))))


def encode(header: Header, rows: Mapping[str, bytes]) -> bytes:
    """A weights file, the inverse of ``decode``. ``rows``: the signed bytes of each role."""
    return b"".join((msgspec.json.encode(header), b"\n", *(rows[role] for role in ROLES)))
