"""Prompts and answers over the context, in both versions."""

import pytest

from innkeepd.simulator import texts
from innkeepd.simulator.faults import Refusal
from innkeepd.simulator.overflow import Prompt, longest_answer, to_context, to_half


def prompt(*sizes, **more):
    """Messages of so many tokens each, for a context of 512."""
    return Prompt(
        messages=[("user", "x" * size) for size in sizes],
        count=lambda messages: sum(len(text) for _, text in messages),
        **{"context": 512, **more},
    )


def test_017_reads_as_much_as_the_context_holds_or_refuses():
    assert to_context(prompt(600)).tokens == 512
    assert to_context(prompt(512, truncate=False)).tokens == 512
    with pytest.raises(Refusal, match="the input length exceeds the context length"):
        to_context(prompt(513, truncate=False))


def test_033_reads_at_most_one_token_less_than_the_context_and_cuts_to_half():
    assert to_half(prompt(511)).tokens == 511
    assert to_half(prompt(512)).tokens == 259
    assert to_half(prompt(512, num_keep=99)).tokens == 512 - (512 - 100) // 2


def test_033_drops_whole_messages_from_the_front_before_it_cuts():
    fitted = to_half(prompt(300, 200, 100))
    assert fitted.tokens == 300
    assert [len(text) for _, text in fitted.messages] == [200, 100]


def test_033_keeps_the_system_message():
    said = Prompt([("system", "s" * 9), ("user", "x" * 600), ("user", "y")], lambda m: sum(len(t) for _, t in m), 512)
    assert [role for role, _ in to_half(said).messages] == ["system", "user"]
    only = Prompt([("system", "s" * 600), ("user", "y")], lambda m: sum(len(t) for _, t in m), 512)
    assert to_half(only).tokens == 259


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"truncate": False}, texts.exceeds(600, 512)),
        ({"truncate": False, "shift": False}, texts.exceeds(600, 512)),
        ({"shift": False}, texts.NO_SHIFT),
        ({"renders_itself": True}, texts.exceeds(600, 512)),
    ],
)
def test_033_refuses_with_one_of_two_texts(more, text):
    with pytest.raises(Refusal) as refused:
        to_half(prompt(600, **more))
    assert (refused.value.status, refused.value.text) == (400, text)


@pytest.mark.parametrize(
    ("num_predict", "shift", "most"),
    [
        (None, True, 5120), (-1, True, 5120), (0, True, None), (1000, True, 1000), (9000, True, 5120),
        (None, False, 491), (-1, False, 491), (0, False, 491), (1000, False, 491), (3, False, 3),
    ],
)  # fmt: skip
def test_an_answer_ends_at_the_context_without_shift_and_at_ten_contexts_with_it(num_predict, shift, most):
    assert longest_answer(num_predict, 21, 512, shift=shift) == most
