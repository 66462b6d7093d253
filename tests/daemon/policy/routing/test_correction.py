"""What feedback changes: bounded, measured on what was held back, the same for the same examples."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innkeepd.policy.routing.classifier import ROLES, Header, decode, encode
from innkeepd.policy.routing.correction import (
    FEWEST,
    SKETCH,
    STRENGTH,
    Correction,
    Example,
    fit,
    measure,
    refit,
    sketch,
)
from innkeepd.policy.routing.features import BUCKETS, VERSION, features
from innkeepd.policy.routing.router import Router


def example(text: str, role: str, scores: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Example:
    return Example(sketch(features(text).body), scores, role)


REPORTS = [example(f"gnomon report {one}{other}", "coding") for one in "abcdefg" for other in "uvwxyz"]


@settings(deadline=None)  # a busy machine is no failure
@given(st.sets(st.integers(0, BUCKETS - 1), max_size=6000))
def test_a_sketch_is_small_and_ordered(found):
    kept = sketch(found)
    assert len(kept) <= SKETCH
    assert list(kept) == sorted(set(kept))
    assert set(kept) <= found


def test_alike_prompts_keep_alike_features():
    text = "The baker from the corner asked whether his oven, bought in spring, could be repaired before the holidays. "
    one, other = (set(sketch(features(text + end).body)) for end in ("Please.", "Soon?"))
    assert len(one & other) > 0.7 * SKETCH


def test_what_was_fitted_is_routed_so():
    correction = fit(REPORTS)
    assert measure(REPORTS, Correction()).right == 0
    assert measure(REPORTS, correction).right == len(REPORTS)
    assert correction == fit(REPORTS)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(st.text(max_size=60), st.sampled_from(ROLES)), max_size=12))
def test_a_correction_never_adds_more_than_its_strength(pairs):
    correction = fit([example(text, role, (-50.0, 0.0, 50.0)) for text, role in pairs])
    for text, _ in pairs:
        assert all(abs(each) <= STRENGTH for each in correction.scores(sketch(features(text).body)))


def test_an_unknown_prompt_is_not_corrected():
    assert Correction().scores(()) == (0.0, 0.0, 0.0)
    assert Correction().scores((1, 2)) == (0.0, 0.0, 0.0)


def test_a_refit_is_measured_on_what_it_did_not_see():
    found = refit(REPORTS, Correction())
    assert found is not None
    assert found.fitted + found.before.total == len(REPORTS)
    assert found.before.total == found.after.total == sum(each.is_held_back for each in REPORTS)
    assert found.before.right < found.after.right
    assert found.is_better


def test_feedback_that_contradicts_itself_is_not_better():
    fitted = [each for each in REPORTS if not each.is_held_back]
    held_back = [Example(each.sketch, each.scores, "general") for each in REPORTS if each.is_held_back]
    found = refit([*fitted, *held_back], Correction())
    assert found is not None
    assert not found.is_better


@pytest.mark.parametrize(
    "examples",
    [
        [],
        REPORTS[: FEWEST - 1],
        [each for each in REPORTS if not each.is_held_back],
        [each for each in REPORTS if each.is_held_back] * 4,
    ],
)
def test_too_few_examples_fit_nothing(examples):
    assert refit(examples, Correction()) is None


def test_the_measure_of_nothing_is_empty():
    assert measure([], Correction()).total == 0
    assert math.isclose(measure([], Correction()).loss, 0.0)


def test_without_a_classifier_nothing_is_seen_to_be_corrected():
    found = Router({}, correction=fit(REPORTS)).route("gnomon report 7")
    assert found.sketch == ()


def test_a_long_prompt_keeps_no_more_than_a_sketch():
    kept = sketch(set(range(0, BUCKETS, 16)))
    assert kept == tuple(range(0, 16 * SKETCH, 16))


def test_the_router_adds_its_correction_to_the_last_turn():
    header = Header(VERSION, BUCKETS, 0.01, (0.0, 0.0, 1.0), 1.0)
    classifier = decode(encode(header, dict.fromkeys(ROLES, bytes(BUCKETS))))
    router = Router({}, classifier=classifier)
    before = router.route("gnomon report zz")
    router.correction = fit(REPORTS)
    after = router.route("gnomon report zz")
    assert (before.role, after.role) == ("general", "coding")
    assert (before.sketch, before.plain) == (after.sketch, after.plain)
