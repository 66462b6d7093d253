import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.policy.fallback import (
    NEXT,
    RETRY_DELAYS,
    Attempt,
    Attempts,
    GrowContext,
    NextCandidate,
    RetrySame,
    Stop,
    estimate_tokens,
    first_token_limit,
)

STOPPING = [
    "bad_request",
    "cancelled",
    "deadline_exceeded",
    "shutting_down",
    "memory_pressure",
    "internal",
    "of_tomorrow",
]


@pytest.mark.parametrize("code", sorted(NEXT))
def test_a_candidates_own_failure_leads_to_the_next(code):
    assert Attempts().failed("a", code, "why", first_token_sent=False) == NextCandidate()


@pytest.mark.parametrize("code", STOPPING)
def test_a_failure_of_the_request_itself_stops(code):
    assert Attempts().failed("a", code, "why", first_token_sent=False) == Stop(code)


def test_an_unreachable_backend_is_asked_again_twice_for_each_candidate():
    attempts = Attempts()
    steps = [attempts.failed("a", "backend_unreachable", "gone", first_token_sent=False) for _ in range(3)]
    assert steps == [*map(RetrySame, RETRY_DELAYS), NextCandidate()]
    assert attempts.failed("b", "backend_unreachable", "gone", first_token_sent=False) == RetrySame(RETRY_DELAYS[0])


def test_a_prompt_over_the_context_grows_it_while_it_grows_and_then_only_larger_ones_are_of_use():
    attempts = Attempts()
    assert attempts.failed("a", "context_overflow", "long", first_token_sent=False, context=8192) == GrowContext()
    assert attempts.failed("a", "context_overflow", "long", first_token_sent=False, context=16384) == GrowContext()
    assert attempts.failed("a", "context_overflow", "long", first_token_sent=False, context=16384) == NextCandidate(
        16384
    )
    assert attempts.failed("b", "load_failed", "no", first_token_sent=False, context=32768) == NextCandidate(16384)
    assert attempts.failed("c", "context_overflow", "long", first_token_sent=False) == GrowContext()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ('{"error":{"message":"request (3516 tokens) exceeds","n_prompt_tokens":3516,"n_ctx":512}}', 3516),
        ('{\\"n_prompt_tokens\\":3516,\\"n_ctx\\":512}', 3516),
        ("request (3516 tokens) exceeds the available context size (512 tokens), try increasing it", 3516),
        ("the prompt has 5000 tokens, big is loaded with 4096", 5000),
        ("the input length exceeds the context length", 0),
    ],
)
def test_the_tokens_that_a_refusal_tells_are_those_to_grow_to(text, tokens):
    step = Attempts().failed("a", "context_overflow", text, first_token_sent=False, context=512)
    assert step == GrowContext(tokens)


def test_a_context_that_cannot_grow_is_the_callers_to_say():
    attempts = Attempts()
    attempts.failed("a", "context_overflow", "long", first_token_sent=False, context=4096)
    assert attempts.next_candidate() == NextCandidate(4096)


@given(
    st.lists(st.sampled_from([*sorted(NEXT), "backend_unreachable", "context_overflow", *STOPPING]), max_size=6),
    st.sampled_from([*sorted(NEXT), "backend_unreachable", "context_overflow", *STOPPING]),
)
def test_after_the_first_token_every_failure_stops_as_partial(before, code):
    attempts = Attempts()
    for each in before:
        attempts.failed("a", each, "", first_token_sent=False)
    assert attempts.failed("b", code, "broke", first_token_sent=True) == Stop(code, partial=True)
    assert attempts.verdict().detail["partial"] is True


@given(st.lists(st.sampled_from([*sorted(NEXT), "backend_unreachable", "context_overflow"]), min_size=1, max_size=40))
def test_one_candidate_is_asked_at_most_four_times(codes):
    attempts = Attempts()
    turns = 0
    for code in codes:
        turns += 1
        if isinstance(attempts.failed("a", code, "", first_token_sent=False, context=4096), NextCandidate):
            turns = 0
        assert turns < 2 + len(RETRY_DELAYS)


def test_the_verdict_is_the_last_real_failure_and_tells_every_turn():
    attempts = Attempts()
    attempts.failed("a", "load_failed", "no tensor", first_token_sent=False, seconds=1.5)
    attempts.passed_over("b", "never_fits", "40 GiB of 27")
    verdict = attempts.verdict()
    assert (verdict.code, verdict.message) == ("load_failed", "no tensor")
    assert verdict.detail == {
        "attempts": [
            {"model": "a", "outcome": "failed", "code": "load_failed", "seconds": 1.5, "message": "no tensor"},
            {"model": "b", "outcome": "passed_over", "code": "never_fits", "seconds": 0.0, "message": "40 GiB of 27"},
        ]
    }
    assert attempts.last_failure == attempts.tried[0]
    assert repr(attempts) == "<Attempts a: load_failed, b: never_fits>"


def test_where_nothing_was_tried_the_last_reason_for_passing_over_is_the_verdict():
    attempts = Attempts()
    attempts.passed_over("a", "model_missing", "not pulled")
    attempts.passed_over("b", "never_fits", "40 GiB of 27")
    assert attempts.verdict().code == "never_fits"
    assert attempts.last_failure is None


def test_without_any_candidate_the_verdict_says_so():
    assert Attempts().verdict().code == "unknown_model"
    assert repr(Attempts()) == "<Attempts none>"


def test_a_cancelled_turn_and_an_answered_one_are_told_as_such():
    attempts = Attempts()
    attempts.failed("a", "cancelled", "client left", first_token_sent=False, seconds=0.2)
    attempts.answered("b", 3.0)
    assert [each.outcome for each in attempts.tried] == ["cancelled", "answered"]
    assert attempts.tried[1] == Attempt("b", "answered", None, 3.0)
    assert attempts.verdict().code == "internal"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("hello world!", 3), ("한국어", 3), ("漢字", 2), ("код", 2), ("a한", 2), ("\ud800", 1)],
)
def test_tokens_are_estimated_by_script(text, tokens):
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text())
def test_a_longer_text_never_has_fewer_tokens(one, more):
    assert estimate_tokens(one) <= estimate_tokens(one + more) <= estimate_tokens(one) + estimate_tokens(more)


def test_a_first_token_may_take_as_long_as_the_prompt_is_read():
    assert first_token_limit(120, 9000) == 345
    assert first_token_limit(120, 9000, 90) == 220
    assert first_token_limit(120, 9000, 0) == 345
    assert first_token_limit(120, 0) == 120


def test_an_engine_that_was_slow_to_be_unreachable_is_not_asked_again_at_once():
    attempts = Attempts()
    assert attempts.failed(
        "far/x", "backend_unreachable", "no connection in time", first_token_sent=False, again=False
    ) == (NextCandidate())
