"""What the user taught: kept as numbers, bounded, over restarts."""

import msgspec
import pytest

from innkeepd.chat.lessons import MOST, RECENT, Lessons
from innkeepd.policy.routing.correction import Example, sketch
from innkeepd.policy.routing.features import features
from innkeepd.store.records import MemoryHistory

pytestmark = pytest.mark.anyio


def seen(text: str, role: str = "general") -> Example:
    return Example(sketch(features(text).body), (0.0, 0.0, 1.0), role)


def taught(lessons: Lessons, count: int, role: str = "coding") -> None:
    for number in range(count):
        word = f"{number:03}".translate(str.maketrans("0123456789", "abcdefghij"))  # to the router all digits are alike
        lessons.note(f"r{number}", seen(f"gnomon report {word}"), chosen=False)
        assert lessons.teach(f"r{number}", role)


def test_a_chosen_role_teaches_at_once_and_a_routed_one_only_with_feedback():
    lessons = Lessons(MemoryHistory())
    lessons.note("a", seen("one thing", "reasoning"), chosen=True)
    lessons.note("b", seen("another thing"), chosen=False)
    lessons.note("c", None, chosen=True)
    assert lessons.counts == {"coding": 0, "reasoning": 1, "general": 0}
    assert lessons.teach("b", "coding")
    assert not lessons.teach("c", "coding")
    assert lessons.counts == {"coding": 1, "reasoning": 1, "general": 0}


def test_the_last_word_about_a_prompt_holds():
    lessons = Lessons(MemoryHistory())
    lessons.note("a", seen("one thing"), chosen=False)
    lessons.teach("a", "coding")
    lessons.teach("a", "reasoning")
    assert lessons.counts == {"coding": 0, "reasoning": 1, "general": 0}


def test_examples_and_recent_requests_are_bounded():
    lessons = Lessons(MemoryHistory())
    taught(lessons, MOST + 20)
    assert lessons.counts["coding"] == MOST
    for number in range(RECENT):
        lessons.note(f"later {number}", seen("x"), chosen=False)
    assert not lessons.teach("r0", "coding")


async def test_everything_survives_a_restart_and_holds_no_text():
    records = MemoryHistory()
    lessons = Lessons(records)
    taught(lessons, 30)
    assert (await lessons.train()).changed
    again = Lessons(records)
    assert again.counts == lessons.counts
    assert again.correction == lessons.correction is not None
    stored = msgspec.json.encode([records.get(f"routing.coding.{number}") for number in range(MOST)])
    assert b"gnomon" not in stored
    assert (await again.train()).changed is False
    assert again.undo().changed
    assert Lessons(records).correction is None


async def test_few_examples_train_nothing():
    lessons = Lessons(MemoryHistory())
    done = await lessons.train()
    assert not done.changed
    assert "too few" in done.message
    assert not lessons.undo().changed


def test_a_damaged_store_teaches_nothing():
    records = MemoryHistory()
    records.put("routing.coding.0", {"x": 1})
    records.put("routing.coding.1", [[1, 2], [0.0, 0.0, 0.0], "barista"])
    records.put("routing.coding.next", "many")
    records.put("routing.correction", [1])
    lessons = Lessons(records)
    assert lessons.examples == []
    assert lessons.correction is None
