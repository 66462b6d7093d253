"""Whether a message holds more values than it may: decoding is one call that holds the event loop, however long.

A long text costs next to nothing to decode; millions of empty lists in as many bytes cost seconds and gigabytes. So
what is larger than ``FREE`` is first counted, in a thread and in slices: the event loop goes on meanwhile. Pure.
"""

from typing import Literal

FREE = 32 * 1024
"""Bytes that need no look: at worst as many values, which take some 5 ms."""
MOST = 200_000
"""Values of one message; a list of as many numbers is decoded in 10 ms. Ollama's longest ``context`` has 131,072."""
MOST_CONTAINERS = 50_000
"""Lists and objects among them; as many are decoded in 15 ms and walked through in as many again."""
TOO_MANY = f"more than {MOST:,} values, or {MOST_CONTAINERS:,} lists and objects, in one message"

_SLICE = 64 * 1024


def is_bulky(body: bytes | bytearray, form: Literal["json", "msgpack"]) -> bool:
    """Whether there is too much in ``body``; what is no such form is left to its decoder to refuse."""
    return len(body) > FREE and (_json(body) if form == "json" else _msgpack(body))


def _json(body: bytes | bytearray) -> bool:
    commas = containers = 0
    in_string = ends_escaped = False
    for start in range(0, len(body), _SLICE):
        part = body[start : start + _SLICE]
        if ends_escaped:
            part = b"\\" + part
        if b"\\" in part:
            part = part.replace(b"\\\\", b"")
            ends_escaped = part.endswith(b"\\")
            part = part.removesuffix(b"\\").replace(b'\\"', b"")
        else:
            ends_escaped = False
        pieces = part.split(b'"')
        outside = b"".join(pieces[in_string::2])
        in_string ^= len(pieces) % 2 == 0
        commas += outside.count(b",")
        containers += outside.count(b"[") + outside.count(b"{")
        if commas + containers > MOST or containers > MOST_CONTAINERS:
            return True
    return False


_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
"""Markers of what has its length behind it, and in how many bytes: binary, text, extensions (one byte more)."""
_SIZES = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3,
          0xD6: 5, 0xD7: 9, 0xD8: 17}  # fmt: skip
"""Markers of what has so many bytes behind it: numbers, fixed extensions."""
_CONTAINERS = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
"""Markers of lists and maps, and in how many bytes their length is told. Source: the specification of msgpack."""


def _msgpack(body: bytes | bytearray) -> bool:
    values = containers = at = 0
    end = len(body)
    while at < end:
        marker = body[at]
        at += 1
        values += 1
        if 0x80 <= marker <= 0x9F or marker in _CONTAINERS:
            containers += 1
            at += _CONTAINERS.get(marker, 0)
        elif 0xA0 <= marker <= 0xBF:
            at += marker & 0x1F
        elif (size := _LENGTHS.get(marker)) is not None:
            at += size + int.from_bytes(body[at : at + size], "big") + (0xC7 <= marker <= 0xC9)
        else:
            at += _SIZES.get(marker, 0)
        if values > MOST or containers > MOST_CONTAINERS:
            return True
    return False
