"""Decode JSON from outside: an engine's answers, the state file, a proxy in between. All foreign JSON passes here.

msgspec fails in more ways than its own exceptions: ``UnicodeDecodeError`` for invalid UTF-8, ``RecursionError`` for
about a thousand levels, ``ValueError`` for a number of thousands of digits, ``OverflowError``. One that escapes would
end more than the request it belongs to, so all of them become one ``BackendFault`` here. Its text never quotes the
bytes: they may be a part of a prompt or of an answer.
"""

from math import ceil
from typing import Any, TypeVar

import msgspec

from innkeepd.backends.backend import BackendFault

MOST = 2**48
"""No count of ours is as high: 256 TiB, 280 thousand billion parameters or tokens. A higher number is rejected."""

T = TypeVar("T")


class Undecodable(BackendFault):
    """Bytes that do not decode; ``str()`` says why in a short phrase, without quoting them."""

    def __init__(self, why: str) -> None:
        super().__init__("backend_error", why)


def decode(data: bytes | str, decoder: msgspec.json.Decoder[T]) -> T:
    """One JSON value. Raises ``Undecodable``, whatever is wrong with the bytes."""
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise Undecodable(_why(error)) from None


def decode_lines(data: bytes, decoder: msgspec.json.Decoder[T]) -> list[T]:
    """JSON values, one a line. Raises ``Undecodable``, whatever is wrong with the bytes."""
    try:
        return decoder.decode_lines(data)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise Undecodable(_why(error)) from None


def count(value: Any) -> int:
    """A number that counts something, rounded down; 0 where it is none, or none that can be true."""
    return int(value) if _is_count(value) else 0


def mean_count(value: Any) -> int:
    """``count``; of a list of numbers, one a layer, the mean rounded up."""
    if not isinstance(value, list):
        return count(value)
    return ceil(sum(value) / len(value)) if value and all(map(_is_count, value)) else 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < MOST  # not true of nan either


def _why(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return "it holds bytes that are no UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case msgspec.MsgspecError():
            return str(error)
    return "it holds a number that is too long"
