"""Feedback on routing: kept as numbers, bounded, over restarts."""

import msgspec
import pytest

from innkeepd.chat.feedback import KEYS, MOST, RECENT, RoutingFeedback
from innkeepd.policy.routing.correction import Example, sketch
from innkeepd.policy.routing.features import features
from innkeepd.store.records import MemoryHistory

pytestmark = pytest.mark.anyio


def seen(text: str, role: str = "general") -> Example:
    return Example(sketch(features(text).body), (0.0, 0.0, 1.0), role)


def taught(feedback: RoutingFeedback, count: int, role: str = "coding") -> None:
    for number in range(count):
        word = f"{number:03}".translate(str.maketrans("0123456789", "abcdefghij"))  # to the router all digits are alike
        feedback.note(f"r{number}", seen(f"gnomon report {word}"), chosen=False)
        assert feedback.teach(f"r{number}", role)


def test_a_chosen_role_teaches_at_once_and_a_routed_one_only_with_feedback():
    feedback = RoutingFeedback(MemoryHistory())
    feedback.note("a", seen("one thing", "reasoning"), chosen=True)
    feedback.note("b", seen("another thing"), chosen=False)
    feedback.note("c", None, chosen=True)
    assert feedback.counts == {"coding": 0, "reasoning": 1, "general": 0}
    assert feedback.teach("b", "coding")
    assert not feedback.teach("c", "coding")
    assert feedback.counts == {"coding": 1, "reasoning": 1, "general": 0}


def test_the_last_word_about_a_prompt_holds():
    feedback = RoutingFeedback(MemoryHistory())
    feedback.note("a", seen("one thing"), chosen=False)
    feedback.teach("a", "coding")
    feedback.teach("a", "reasoning")
    assert feedback.counts == {"coding": 0, "reasoning": 1, "general": 0}


def test_examples_and_recent_requests_are_bounded():
    feedback = RoutingFeedback(MemoryHistory())
    taught(feedback, MOST + 20)
    assert feedback.counts["coding"] == MOST
    for number in range(RECENT):
        feedback.note(f"later {number}", seen("x"), chosen=False)
    assert not feedback.teach("r0", "coding")


async def test_everything_survives_a_restart_and_holds_no_text():
    records = MemoryHistory()
    feedback = RoutingFeedback(records)
    taught(feedback, 30)
    assert (await feedback.train()).changed
    again = RoutingFeedback(records)
    assert again.counts == feedback.counts
    assert repr(again) == "<RoutingFeedback: 30 examples, corrected>"
    assert again.correction == feedback.correction is not None
    stored = msgspec.json.encode([records.get(f"{KEYS}.coding.{number}") for number in range(MOST)])
    assert b"gnomon" not in stored
    assert (await again.train()).changed is False
    assert again.undo().changed
    assert RoutingFeedback(records).correction is None


async def test_few_examples_train_nothing():
    feedback = RoutingFeedback(MemoryHistory())
    done = await feedback.train()
    assert not done.changed
    assert "too few" in done.message
    assert not feedback.undo().changed


def test_a_damaged_store_teaches_nothing():
    records = MemoryHistory()
    records.put(f"{KEYS}.coding.0", {"x": 1})
    records.put(f"{KEYS}.coding.1", [[1, 2], [0.0, 0.0, 0.0], "barista"])
    records.put(f"{KEYS}.coding.next", "many")
    records.put(f"{KEYS}.correction", [1])
    feedback = RoutingFeedback(records)
    assert feedback.examples == []
    assert feedback.correction is None


def test_examples_of_other_features_are_not_read():
    records = MemoryHistory()
    taught(RoutingFeedback(records), 3)
    old = MemoryHistory()
    for number in range(3):
        old.put(f"routing.coding.{number}", records.get(f"{KEYS}.coding.{number}"))
    assert RoutingFeedback(old).examples == []
