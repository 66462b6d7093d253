import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeep import wire
from innkeep.cli.bench_plan import ANSWER, LENGTHS, MARGIN, Step, plan, prompt_text
from support.cli_daemon import GIB


def a_model(name="m", context=4096, **estimates):
    return wire.ModelState(
        name=name,
        size=GIB,
        parameters=8_000_000_000,
        quantization="",
        roles=[],
        weight="light",
        footprint=GIB,
        fit="fits",
        reason="",
        context=context,
        estimates=wire.Estimates(**{key: wire.Estimate(value, 1) for key, value in estimates.items()}),
    )


def test_each_model_is_loaded_cold_swapped_warmed_up_and_asked_in_both_languages():
    steps = plan([a_model("a"), a_model("b")], quick=True)
    mine = [(step.kind, step.model, step.what) for step in steps if step.model == "b"]
    assert mine == [
        ("unload", "b", "unload"),
        ("load", "b", "cold load"),
        ("unload", "b", "unload for the swap"),
        ("load", "b", "load of the swap"),
        ("chat", "b", "warm up"),
        ("chat", "b", "64 tokens, English"),
        ("chat", "b", "64 tokens, Korean"),
        ("chat", "b", "512 tokens, English"),
        ("chat", "b", "512 tokens, Korean"),
    ]
    assert [step.model for step in steps if step.kind == "unload"] == ["a", "a", "a", "b", "b"]


@given(st.integers(1, 40_000))
def test_no_prompt_is_longer_than_the_context_but_one_is_always_asked(context):
    asked = [
        step for step in plan([a_model(context=context)], quick=False) if step.what.endswith(("English", "Korean"))
    ]
    assert {step.language for step in asked} == {"English", "Korean"}
    assert all(step.tokens + ANSWER + MARGIN <= context or step.tokens == min(LENGTHS) for step in asked)


def test_what_was_learned_of_a_model_tells_how_long_it_takes():
    slow, fast = a_model(), a_model(load=0.5, unload=0.1, decode=500.0, prefill=9000.0)
    assert sum(step.seconds for step in plan([slow], quick=True)) > 20
    assert sum(step.seconds for step in plan([fast], quick=True)) < 3


@pytest.mark.parametrize("language", ["English", "Korean"])
def test_a_prompt_begins_with_its_nonce_and_grows_with_its_tokens(language):
    short, long = (prompt_text(Step("chat", "m", "", 1.0, language, tokens), "ab12") for tokens in (64, 2048))
    assert short.startswith("[ab12] ")
    assert len(long) > 15 * len(short) > 100
    assert any("가" <= letter <= "힣" for letter in long) == (language == "Korean")
