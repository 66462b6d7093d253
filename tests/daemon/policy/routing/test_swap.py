import pytest

from innkeepd.policy.routing.router import Route
from innkeepd.policy.routing.swap import margin, without_swap

SHARES = {"coding": 0.3, "reasoning": 0.5, "general": 0.2}
DOUBT = Route("reasoning", 0.5, "why", {"coding": 1.0, "reasoning": 1.8, "general": 0.5}, shares=SHARES)


@pytest.mark.parametrize(("price", "expected"), [(0, 0.0), (-1, 0.0), (10, 0.5), (30, 1.0), (70, 1.5), (10_000, 1.5)])
def test_the_margin_grows_with_the_price_of_the_swap(price, expected):
    assert margin(price) == pytest.approx(expected)


def test_a_doubtful_prompt_stays_with_the_model_in_memory_and_says_so():
    route = without_swap(DOUBT, {"coding": "qwen", "general": "llama"}, 40.0)
    assert (route.role, route.confidence) == ("coding", 0.3)
    assert route.reason == "qwen is in memory; reasoning is hardly likelier and costs a swap of about 40 s (why)"


def test_a_clear_prompt_pays_the_swap():
    assert without_swap(DOUBT, {"general": "llama"}, 40.0) is DOUBT
    assert without_swap(DOUBT, {"coding": "qwen"}, 5.0) is DOUBT


def test_nothing_changes_where_there_is_no_swap_or_nobody_in_memory():
    assert without_swap(DOUBT, {"reasoning": "r1", "coding": "qwen"}, 40.0) is DOUBT
    assert without_swap(DOUBT, {}, 40.0) is DOUBT


def test_a_turn_too_short_to_tell_keeps_its_sessions_role():
    short = Route("reasoning", 0.5, "too short to tell", dict.fromkeys(SHARES, 0.0))
    assert without_swap(short, {"coding": "qwen"}, 40.0) is short


def test_an_errand_goes_to_whoever_is_in_memory():
    errand = Route("general", 0.9, "a title", dict.fromkeys(SHARES, 0.0), is_errand=True)
    route = without_swap(errand, {"coding": "qwen"}, 40.0)
    assert (route.role, route.reason) == ("coding", "a title; qwen is in memory")
