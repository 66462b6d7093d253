"""Odd JSON for structure-aware fuzzers: a good message, broken in a few places (hypothesis strategies)."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

DEEP = "(deep)"
"""Becomes 900 levels of lists in ``encoded``: deeper than Python's own encoder and ``copy`` go."""
NUMBERS = [0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 1e308, -1e308, 5e-324, 0.5, -0.0, 3600.0]
TEXTS = ["", "a", "auto", "coding", "tool", "user", "json", "llama3.1:8b", "qwen2.5-coder:32b", "far/llama3.3", "0s",
         "5m", "a\0b", "\n\x1b[31m", "왜", "\U0001f600", "\u202e", "x" * 5000, "9" * 400, "9999-99-99T99:99:99Z",
         "data:image/png;base64,x", "../../etc/passwd", "[simulate crash after 1]", DEEP]  # fmt: skip
HUGE = [10**30, -(10**30), int("9" * 400)]
"""Numbers that JSON can say and msgpack cannot."""


def nested(depth: int, kind: str) -> Any:
    """A value so many levels deep."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {kind: value}
    return value


def odd(*, huge: bool = True) -> st.SearchStrategy[Any]:
    """A value where another was expected."""
    scalars = st.one_of(
        st.sampled_from([None, True, False, *NUMBERS, *(HUGE if huge else [])]),
        st.sampled_from(TEXTS),
        st.integers(-5, 40_000),
        st.text(max_size=8).filter(lambda text: text.isprintable()),
    )
    small = st.recursive(
        scalars,
        lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(TEXTS[:8]), one, max_size=3),
        max_leaves=5,
    )
    deep = st.builds(nested, st.sampled_from([30, 70, 200]), st.sampled_from(["list", "content", "type"]))
    lists = st.sampled_from([[{"type": "text", "text": "x"}], [{"role": "user"}], [{}], [[]], [None], ["a"] * 300])
    return st.one_of(scalars, scalars, small, lists, deep)


@st.composite
def broken(draw: st.DrawFn, good: Any, *, most: int = 3, huge: bool = True) -> Any:
    """``good`` with up to ``most`` of its values replaced, dropped, doubled or renamed, or others added."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(0, most))):
        places = list(_places(value))
        if not places:
            return draw(odd(huge=huge))
        holder, key = draw(st.sampled_from(places))
        what = draw(st.sampled_from(["replace", "replace", "replace", "drop", "add"]))
        if what == "drop":
            del holder[key]
        elif what == "add" and isinstance(holder, dict):
            holder[draw(st.sampled_from(TEXTS[:8]))] = draw(odd(huge=huge))
        elif what == "add":
            holder.append(holder[key])
        else:
            holder[key] = draw(odd(huge=huge))
    return value


def _places(value: Any, depth: int = 0) -> Any:
    """Every holder and key of a JSON value, not too deep."""
    if depth > 6:
        return
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key], depth + 1)


@st.composite
def spoiled(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with a place overwritten, cut out, doubled or cut off; bytes that are no UTF-8 among what is put in."""
    how = draw(st.sampled_from(["put", "put", "cut", "double", "end"]))
    at = draw(st.integers(0, len(data)))
    if how == "put":
        pieces = [
            b"\xff",
            b"\xff",
            b"\xff",
            b"\xed\xa0\x80",
            b"\0",
            b'"',
            b"}",
            b"[" * 1000,
            b"\n",
            b"\xc0\xaf",
            b"NaN",
            b"\\ud800",
        ]
        return data[:at] + draw(st.sampled_from(pieces)) + data[at + draw(st.integers(0, 2)) :]
    if how == "cut":
        return data[:at] + data[at + draw(st.integers(1, 9)) :]
    return data[:at] + data if how == "double" else data[:at]


def encoded(value: Any) -> bytes:
    """As JSON in ASCII."""
    return _deepened(json.dumps(value).encode())


def _encoded_in_utf8(value: Any) -> bytes:
    return _deepened(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _deepened(data: bytes) -> bytes:
    return data.replace(b'"%s"' % DEEP.encode(), b"[" * 900 + b"]" * 900)


def as_json(good: Any, *, most: int = 3) -> st.SearchStrategy[bytes]:
    """The bytes of a good message, broken as JSON and now and then as bytes too."""
    whole = broken(good, most=most).map(encoded)
    return st.one_of(whole, broken(good, most=most).map(_encoded_in_utf8), whole.flatmap(spoiled))
