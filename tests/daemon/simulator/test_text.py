import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import DEEPSEEK, LLAMA8
from innkeepd.simulator.text import count, pieces, plan


def asked(text, **more):
    return Asked("m", text, text, promptless=False, stream=True, **more)


@given(st.text())
def test_pieces_joined_are_the_text(text):
    assert "".join(pieces(text)) == text


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("함수를 고쳐 줘", "(llama3.1:8b 시뮬레이션 응답입니다.)"),
        ("what now?", "(A simulated answer of llama3.1:8b.)"),
    ],
)
def test_an_answer_is_in_the_questions_language_and_says_it_is_simulated(text, label):
    assert "".join(plan(asked(text), LLAMA8, 0).content).startswith(label)


@pytest.mark.parametrize("text", ["fix this function", "버그 고쳐 줘"])
def test_a_coding_question_gets_code(text):
    assert "```python" in "".join(plan(asked(text), LLAMA8, 0).content)


def test_the_same_seed_says_the_same():
    assert plan(asked("hi"), LLAMA8, 1) == plan(asked("hi"), LLAMA8, 1)
    assert len({"".join(plan(asked("hi"), LLAMA8, seed).content) for seed in range(9)}) > 1


def test_num_predict_counts_thinking_too():
    short = plan(asked("why"), DEEPSEEK, 0, 3)
    assert (len(short.thinking), short.content, short.evaluated, short.reason) == (3, [], 3, "length")
    assert plan(asked("why"), DEEPSEEK, 0).reason == "stop"


def test_an_answer_may_be_ordered_by_its_length():
    assert len(plan(asked("[simulate tokens 700]"), LLAMA8, 0).content) == 700


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("json", '{"simulated": true}'),
        ({"type": "object", "properties": {"n": {"type": "integer"}, "k": {"enum": ["x"]}}}, '{"n": 0, "k": "x"}'),
        ({"type": "array"}, "[]"),
    ],
)
def test_a_format_is_kept(form, expected):
    assert "".join(plan(asked("hi", format=form), LLAMA8, 0).content) == expected


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("hello world!", 3), ("안녕하세요", 4)])
def test_tokens_are_counted_about_right(text, tokens):
    assert count(text) == tokens
