"""Writes ``policy/routing/literals.py``: for each pattern of ``shapes.py`` the strings without which it cannot match.

    python tools/routing/literals.py && make format

Looking for a few strings is many times faster than a search with a regular expression. The strings are read off the
parsed pattern. ``tests/tools/test_literals.py`` compares the file with what this makes.
"""

import re._constants as sre
import re._parser as parser
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "daemon"))

from innkeepd.policy.routing.shapes import FALSE_FRIENDS, SHAPES

OUT = ROOT / "daemon" / "innkeepd" / "policy" / "routing" / "literals.py"
MANY = 40
"""More strings than this are no faster than the search."""
HEAD = '''# ruff: noqa: E501, RUF001 (made by tools/routing/literals.py)
"""Pattern of ``shapes.py`` -> strings of which at least one is in every text that it matches. Generated."""

from collections.abc import Mapping

__all__ = ["LITERALS"]

LITERALS: Mapping[str, tuple[str, ...]] = {
'''


def needed(pattern: str) -> tuple[str, ...]:
    """Strings of which each text that ``pattern`` matches holds at least one; () where there are none or too many."""
    found = _of_sequence(parser.parse(pattern))
    return tuple(sorted(_shortest(found))) if found and len(found) <= MANY else ()


def _of_sequence(parts: Iterable[tuple[object, object]]) -> frozenset[str]:
    candidates, run = [], ""
    for kind, value in parts:
        if kind is sre.LITERAL:
            run += chr(value)
            continue
        candidates += [frozenset([run])] if run else []
        run = ""
        candidates.append(_of_part(kind, value))
    candidates += [frozenset([run])] if run else []
    return max((each for each in candidates if each), key=_worth, default=frozenset())


def _of_part(kind: object, value: Sequence[object]) -> frozenset[str]:
    if kind is sre.SUBPATTERN:
        return _of_sequence(value[3])
    if kind is sre.BRANCH:
        branches = [_of_sequence(branch) for branch in value[1]]
        return frozenset().union(*branches) if all(branches) else frozenset()
    if kind in {sre.MAX_REPEAT, sre.MIN_REPEAT}:
        return _of_sequence(value[2]) if value[0] else frozenset()
    if kind is sre.IN:
        return _of_set(value)
    return frozenset()


def _of_set(parts: Sequence[tuple[object, object]]) -> frozenset[str]:
    found = ""
    for kind, value in parts:
        if kind is sre.LITERAL:
            found += chr(value)
        elif kind is sre.CATEGORY and value is sre.CATEGORY_DIGIT:
            found += "0123456789"
        elif kind is sre.RANGE and value[1] - value[0] < 10:
            found += "".join(map(chr, range(value[0], value[1] + 1)))
        else:
            return frozenset()
    return frozenset(found)


def _worth(found: frozenset[str]) -> tuple[bool, int, int]:
    shortest = min(map(len, found))
    return len(found) <= MANY, min(shortest, 3), -len(found)


def _shortest(found: frozenset[str]) -> set[str]:
    """Without those that contain another one."""
    return {each for each in found if not any(other != each and other in each for other in found)}


def table() -> dict[str, tuple[str, ...]]:
    """Every pattern that has such strings."""
    patterns = [*(part.pattern.pattern for shape in SHAPES for part in shape.parts), *FALSE_FRIENDS]
    return {pattern: found for pattern in patterns if (found := needed(pattern))}


if __name__ == "__main__":
    lines = (f"    {pattern!r}: {found!r},\n" for pattern, found in table().items())
    OUT.write_text(f"{HEAD}{''.join(lines)}}}\n", encoding="utf-8")
