"""The strings that patterns need are read off the patterns, and no match is without them."""

import json
import sys
from pathlib import Path

import pytest

from innkeepd.policy.routing.literals import LITERALS
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
    assert literals.table() == LITERALS, "run: python tools/routing/literals.py && make format"


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
    data = ROOT / "tests" / "data" / "routing"
    names = ("dev", "tricky.dev", "fresh", "blind")
    lines = [line for name in names for line in (data / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [json.loads(line)["text"] for line in lines]
    parts = [part for shape in SHAPES for part in shape.parts] + [part_of(pattern) for pattern in FALSE_FRIENDS]
    assert len(texts) > 1000
    missed = [
        (part.pattern.pattern, text)
        for text in map(str.lower, texts)
        for part in parts
        if not part.may_be_in(text) and part.pattern.search(text)
    ]
    assert missed == []
