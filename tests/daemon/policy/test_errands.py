"""Errands are known by their shape, on clients that no rule was written from, and nothing else is taken for one."""

import json
from pathlib import Path

import pytest

from innkeepd.policy.errands import RULES, Shape, errand_of

DATA = Path(__file__).parents[2] / "data" / "errands"
WRITTEN_FROM = frozenset({"claude-code", "open-webui", "opencode", "overflow"})
"""Whose recordings the rules were written from; ``overflow`` holds Claude Code's, codex's, pi's and opencode's."""
CHAT = "<chat_history>\nUSER: how do bees sleep?\n</chat_history>"


def recorded() -> list[dict[str, object]]:
    return [json.loads(line) for line in (DATA / "recorded.jsonl").read_text().splitlines()]


def judged(each: dict[str, object]) -> str | None:
    return errand_of(Shape(*(each[name] for name in Shape.__struct_fields__)))


def test_precision_and_recall_on_recorded_clients_that_no_rule_was_written_from():
    held_back = [each for each in recorded() if each["client"] not in WRITTEN_FROM]
    taken = [each for each in held_back if judged(each) is not None]
    errands = [each for each in held_back if each["errand"] is not None]
    right = [each for each in taken if each["errand"] == judged(each)]
    assert len(held_back) > 290 and len(errands) >= 3
    assert len(right) >= 0.99 * len(taken)
    assert len(right) >= 0.9 * len(errands)


def test_every_request_of_the_clients_that_the_rules_were_written_from_is_judged_right():
    assert [each for each in recorded() if each["errand"] != judged(each)] == []


def test_errands_of_other_programs_are_known():
    others = [json.loads(line) for line in (DATA / "others.jsonl").read_text().splitlines()]
    missed = [each for each in others if errand_of(Shape(system=each["system"], turn=each["turn"])) is None]
    assert (len(others), missed) == (44, [])


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("title", Shape(system="You name things. Write a title for this conversation.")),
        (
            "title",
            Shape(
                turn=f"Invent nothing. Give a title of 3 to 5 words to this.\nGenerate a title for this chat. {CHAT}"
            ),
        ),
        ("title", Shape(system="Summarize the conversation in under 40 characters.")),
        ("title", Shape(turn="Summarize our chat in 8 words")),
        ("tags", Shape(turn=f"### Task:\nGenerate 2 tags for this conversation.\n{CHAT}")),
        ("follow_ups", Shape(turn=f"Suggest three questions that the user may ask next.\n{CHAT}")),
        ("helper", Shape(turn=f"### Task:\nFind an emoji for it.\n{CHAT}")),
        ("topic", Shape(system="Say whether the text starts a new topic.")),
        ("commit", Shape(system="Write commit messages for diffs.")),
        ("memory", Shape(system="You do memory extraction.", tools=True)),
        ("probe", Shape(turn="quota", limit=1)),
        ("probe", Shape(turn="x" * 2000, limit=1, named=True)),
    ],
)
def test_each_kind_in_words_of_our_own(kind, shape):
    assert errand_of(shape) == kind


@pytest.mark.parametrize(
    "shape",
    [
        Shape(),
        Shape(turn="Generate a title for my poem about the sea, only the title"),
        Shape(turn="Write a title for a talk about conversation design, 5 words"),
        Shape(turn="Suggest tags for my article about sessions, as json"),
        Shape(turn="Create a chat component with a title prop, only return the code"),
        Shape(turn="Write a session class with a title field, only return the code"),
        Shape(turn="Write a commit message for this diff: +a"),
        Shape(turn="Summarize this conversation between Anna and Bob in three sentences"),
        Shape(turn="Generate 5 interview questions for users in json"),
        Shape(turn=f"### Task:\nRespond to the user query from the context below.\n{CHAT}"),
        Shape(turn="### Task:\nRespond to the user query from the context.\n<context>a chat thread title</context>"),
        Shape(system="You answer questions. At the end, suggest follow-up questions that the user may ask.", turn="hi"),
        Shape(system="You name things. Write a title for this conversation.", tools=True),
        Shape(turn="yes or no: is the sea blue? Answer with one word of the two.", limit=1),
        Shape(turn="quota", limit=1, count=3),
        Shape(system="Be brief.", turn="quota", limit=1),
        Shape(turn="quota", limit=2),
        Shape(turn="x" * 700 + " Generate a title for this chat, only the title"),
    ],
)
def test_what_looks_like_an_errand_and_is_none(shape):
    assert errand_of(shape) is None


def test_every_rule_names_its_evidence():
    assert all(rule.evidence for rule in RULES)
