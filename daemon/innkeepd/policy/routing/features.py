"""The features of a text that the trained classifier weighs: hashed character n-grams, words and word pairs.

    text -> excerpt of at most READ characters -> normalized letters -> feature numbers below BUCKETS

Training (``tools/routing/``) and the daemon call the same function, so a change here needs new weights: ``VERSION``
names the function and ``classifier.decode`` refuses weights of another version.
"""

import re
import unicodedata
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

__all__ = ["BUCKETS", "READ", "VERSION", "Features", "excerpt", "features", "letters", "of_word", "words"]

VERSION = 2
BUCKETS = 1 << 18
"""Each feature is a number below this: the low bits of the CRC-32 of its bytes."""

HEAD, TAIL, WINDOW, WINDOWS = 640, 320, 60, 4
READ = HEAD + TAIL + WINDOW * WINDOWS + WINDOWS + 1
"""Characters that are read of a long text: the request stands at its beginning or its end, samples show the rest."""

ORDERS = (2, 3, 4, 5)
"""Lengths of the character n-grams."""

ENDS = 8
"""How many of the first and of the last words form a group of their own, so that a long paste does not drown them."""

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]+|[^\w\s]")
_DIGITS = {ord(str(digit)): "0" for digit in range(10)}
_FIRST, _LAST, _FINALS = 0xAC00, 0xD7A3, 28
_WIDTH = 4  # bytes a character in UTF-32
_MASK = BUCKETS - 1


class Features(NamedTuple):
    """Feature numbers of a text. ``body``: n-grams, words, word pairs; ``ends``: its first and last ``ENDS`` words."""

    body: set[int]
    ends: set[int]


class _Jamo(dict[int, str | int]):
    """A table for ``str.translate`` that splits the final consonant off a Korean syllable.

    So 할, 한 and 합 share what they have in common with 하.
    """

    def __missing__(self, code: int) -> str | int:
        final = (code - _FIRST) % _FINALS if _FIRST <= code <= _LAST else 0
        self[code] = made = chr(code - final) + chr(0x11A7 + final) if final else code
        return made


def excerpt(text: str) -> str:
    """At most ``READ`` characters: the head, the tail and evenly spread windows between them."""
    if len(text) <= READ:
        return text
    step = (len(text) - HEAD - TAIL - WINDOW) / (WINDOWS - 1)
    starts = (HEAD + int(step * place) for place in range(WINDOWS))
    return "\n".join((text[:HEAD], *(text[start : start + WINDOW] for start in starts), text[-TAIL:]))


def letters(text: str) -> str:
    """``text`` composed (NFC), in lower case, with digits as 0 and white space as single blanks."""
    plain = unicodedata.normalize("NFC", text).lower().translate(_DIGITS)
    return f" {_SPACE.sub(' ', plain).strip()} "


def words(text: str) -> list[str]:
    """The words and punctuation marks of ``text`` in their order."""
    return _WORD.findall(letters(excerpt(text)))


def features(text: str) -> Features:
    """The features of ``text``, each number below ``BUCKETS``; a feature counts once however often it occurs."""
    plain = letters(excerpt(text))
    tokens = _WORD.findall(plain)
    named = [f"w {word}" for word in tokens]
    named += [f"b {first} {second}" for first, second in pairwise(tokens)]
    named += [f"s {first} {third}" for first, third in zip(tokens, tokens[2:], strict=False)]
    named += [f"^ {' '.join(tokens[:1])}", f"^ {' '.join(tokens[:2])}", f"$ {' '.join(tokens[-1:])}"]
    body = {crc32(name.encode()) & _MASK for name in named}
    body.update(_grams(plain))
    return Features(body, _ends(tokens))


def of_word(word: str) -> set[int]:
    """The features of one of ``words`` by itself, wherever it stands."""
    return {crc32(f"w {word}".encode()) & _MASK, *_grams(f" {word} ")}


def _grams(plain: str) -> set[int]:
    """The n-grams of what ``letters`` made."""
    data = plain.translate(_Jamo()).encode("utf-32-le")
    found: set[int] = set()
    for order in ORDERS:
        size = order * _WIDTH
        found.update([crc32(data[at : at + size]) & _MASK for at in range(0, len(data) - size + 1, _WIDTH)])
    return found


def _ends(tokens: list[str]) -> set[int]:
    """The first and last words by themselves, in pairs and by their first letters (two Korean, else four)."""
    named = []
    for side, some in (("h", tokens[:ENDS]), ("t", tokens[-ENDS:])):
        named += [f"{side} {word}" for word in some]
        named += [f"{side}b {first} {second}" for first, second in pairwise(some)]
        named += [f"{side}p {word[: 2 if word >= '가' else 4]}" for word in some]
    return {crc32(name.encode()) & _MASK for name in named}
