"""What the trained classifier sees of a text: hashed n-grams over letters and jamo, and hashed words.

    text -> at most READ characters of it -> letters (lower case, digits as 0, syllables without their final) -> numbers

The same function makes the features in training (``tools/routing/``) and in the daemon, so a change here needs new
weights; ``VERSION`` names it and ``classifier.decode`` refuses weights of another version.
"""

import re
import unicodedata
from itertools import pairwise
from zlib import crc32

__all__ = ["BUCKETS", "READ", "VERSION", "excerpt", "features", "letters", "words"]

VERSION = 1
BUCKETS = 1 << 17
"""Each feature is a number below this: the CRC-32 of its characters, cut off."""

HEAD, TAIL, WINDOW, WINDOWS = 640, 320, 60, 4
READ = HEAD + TAIL + WINDOW * WINDOWS + WINDOWS + 1
"""Characters that are read of a long text: what is wanted stands at its beginning or its end, samples tell the rest."""

ORDERS = (2, 3, 4, 5)
"""Lengths of the n-grams of letters."""

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]+|[^\w\s]")
_DIGITS = {ord(str(digit)): "0" for digit in range(10)}
_FIRST, _LAST, _FINALS = 0xAC00, 0xD7A3, 28
_WIDTH = 4  # bytes a character in UTF-32


class _Jamo(dict[int, str | int]):
    """A table for ``str.translate``: a Korean syllable becomes the syllable without its final, and the final.

    So 할, 한 and 합 begin alike (하), and what they share with 하 is seen.
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
    """``text`` as the n-grams see it: composed, lower case, digits as 0, white space as single blanks, jamo apart."""
    plain = unicodedata.normalize("NFC", text).lower().translate(_DIGITS)
    return f" {_SPACE.sub(' ', plain).strip()} "


def words(text: str) -> list[str]:
    """The words and marks of ``text``, in their order."""
    return _WORD.findall(letters(excerpt(text)))


def features(text: str) -> set[int]:
    """The numbers of all features of ``text``, each below ``BUCKETS``; each counts once however often it occurs."""
    plain = letters(excerpt(text))
    tokens = _WORD.findall(plain)
    mask = BUCKETS - 1
    found = {crc32(f"w {word}".encode()) & mask for word in tokens}
    found.update(crc32(f"b {first} {second}".encode()) & mask for first, second in pairwise(tokens))
    found.add(crc32(f"^ {' '.join(tokens[:1])}".encode()) & mask)
    found.add(crc32(f"^ {' '.join(tokens[:2])}".encode()) & mask)
    found.add(crc32(f"$ {' '.join(tokens[-1:])}".encode()) & mask)
    data = plain.translate(_Jamo()).encode("utf-32-le")
    for order in ORDERS:
        size = order * _WIDTH
        found.update([crc32(data[at : at + size]) & mask for at in range(0, len(data) - size + 1, _WIDTH)])
    return found
