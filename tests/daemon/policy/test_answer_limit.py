import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.policy.answer_limit import SPARE, asked_for, certain_limit, counted_limit, is_shifted

DATA = Path(__file__).parents[2] / "data" / "ollama-0.33"
LIMITS = st.none() | st.integers(1, 100_000)


@pytest.mark.parametrize(("value", "asked"), [(7, 7), (0, None), (-1, None), (None, None), (True, None), ("7", None)])
def test_an_open_end_is_anything_but_a_positive_number(value, asked):
    assert asked_for(value) == asked


@given(st.integers(512, 131_072), st.integers(2, 200_000), LIMITS, st.integers(0, SPARE))
def test_no_limit_without_a_count_lets_an_answer_leave_the_context(context, size, asked, added):
    """A prompt has at most as many tokens as its body has bytes, and what the template adds."""
    limit = certain_limit(context, size, asked)
    assert limit is None or (limit > 0 and size + added + limit <= context)


@given(st.integers(512, 131_072), st.integers(2, 200_000), LIMITS)
def test_a_smaller_limit_of_the_client_is_kept(context, size, asked):
    limit = certain_limit(context, size, asked)
    if limit is not None and asked is not None and asked < context:
        assert limit == asked


@given(st.integers(512, 131_072), st.integers(1, 131_071), LIMITS)
def test_a_counted_limit_fills_the_context_and_no_more(context, prompt, asked):
    limit = counted_limit(context, prompt, asked)
    assert limit >= 1
    if prompt < context:
        assert prompt + limit <= context
        assert limit == (context - prompt if asked is None else min(asked, context - prompt))


def test_a_count_that_failed_leaves_half_of_the_context():
    assert counted_limit(4096, 0, None) == 2048


def test_half_of_the_context_is_enough_for_an_open_end():
    assert certain_limit(8192, 3072, None) == 4096
    assert certain_limit(8192, 3073, None) is None
    assert certain_limit(8192, 100, 8192) == certain_limit(8192, 100, None) == 7068
    assert certain_limit(8192, 100, 7500) is None


@pytest.mark.parametrize(
    ("recording", "shifted"),
    [
        ("chat_runs_past_context_noshift", True),
        ("generate_runs_past_context_noshift", True),
        ("native_template_runs_past_context", True),
        ("chat_runs_past_context_bounded_shiftfalse", False),
        ("chat_runs_past_context_shiftfalse", False),
    ],
)
def test_the_sum_of_the_last_record_tells_a_shift(recording, shifted):
    said = json.loads((DATA / f"{recording}.json").read_text())
    last = json.loads(said["response"]["lines"][-1][1])
    context = said["request"]["body"]["options"]["num_ctx"]
    assert is_shifted(context, last["prompt_eval_count"], last["eval_count"]) is shifted
    assert not is_shifted(None, 1, 10**6)


@pytest.mark.parametrize(
    ("value", "own", "limit"), [(None, 40, 40), (None, None, None), (7, 40, 7), (0, 40, None), (-1, 40, None)]
)
def test_a_models_own_limit_stands_where_the_client_asks_for_none(value, own, limit):
    assert asked_for(value, own) == limit
