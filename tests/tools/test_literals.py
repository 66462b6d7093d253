"""The strings that patterns need are read off the patterns, and no match is without them."""

import re
import sys
from pathlib import Path

import pytest

from innkeepd.policy.routing.shapes import FALSE_FRIENDS, SHAPES, part_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def literals():
    sys.path.insert(0, str(ROOT / "tools" / "routing"))
    try:
        import literals
    finally:
        sys.path.remove(str(ROOT / "tools" / "routing"))
    return literals


def test_the_generated_file_is_up_to_date(literals):
    assert literals.OUT.read_text(encoding="utf-8") == literals.module(), "run: python tools/routing/literals.py"


@pytest.mark.parametrize(
    ("pattern", "strings"),
    [
        ("abc", ("abc",)),
        (r"\b(?:red|blue) \d", ("blue", "red")),
        ("(?:red|blue)", ("blue", "red")),
        (r"x?(?:ab)+y*", ("ab",)),
        (r"[0-2]\w", ("0", "1", "2")),
        (r"\w+ ?", ()),
        ("a*|b", ()),
        ("(?:code|codes|bug)", ("bug", "code")),
    ],
)
def test_the_strings_of_a_pattern(literals, pattern, strings):
    assert literals.needed(pattern) == strings


def test_no_text_is_missed_for_want_of_a_string():
    texts = [
        text
        for name in ("dev", "tricky.dev", "fresh", "blind")
        for text in re.findall(r'"text": "(.*?)(?<!\\)"', (ROOT / f"tests/data/routing/{name}.jsonl").read_text("utf-8"))
    ]
    parts = [part for shape in SHAPES for part in shape.parts] + [part_of(pattern) for pattern in FALSE_FRIENDS]
    assert len(texts) > 1000
    missed = [
        (part.pattern.pattern, text)
        for text in map(str.lower, texts)
        for part in parts
        if not part.may_be_in(text) and part.pattern.search(text)
    ]
    assert missed == []
