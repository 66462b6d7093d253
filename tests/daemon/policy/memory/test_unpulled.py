import pytest

from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.memory.unpulled import known_model, model_by_name, parameters_of, quantization_of, too_large
from innkeepd.policy.model import GIB


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("qwen2.5-coder:32b", 32_000_000_000),
        ("32.8B", 32_800_000_000),
        ("mixtral:8x7b-instruct", 56_000_000_000),
        ("smollm2:135m", 135_000_000),
        ("llama3.3:latest", None),
        ("model:0b", None),
        ("some:3bit", None),
    ],
)
def test_parameters_are_read_in_a_name(text, parameters):
    assert parameters_of(text) == parameters


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mistral:7b-instruct-q5_K_M", "Q5_K_M"),
        ("llama3.1:8b-instruct-fp16", "F16"),
        ("llama3.1:8b", None),
        ("qwen:4b-q4_0", "Q4_0"),
        ("x:1b-bf16", "BF16"),
    ],
)
def test_a_quantization_is_read_in_a_tag(name, kind):
    assert quantization_of(name) == kind


@pytest.mark.parametrize("known", [model for model in KNOWN_MODELS if parameters_of(model.name)], ids=lambda m: m.name)
def test_the_size_by_the_name_is_near_the_true_one(known):
    assert model_by_name(known.name).size == pytest.approx(known.size, rel=0.05)


def test_a_name_without_parameters_says_nothing():
    assert model_by_name("llama3.3") is None
    assert known_model("llama3.3").parameters == 70_553_706_560
    assert known_model("nobody") is None


def test_a_huge_model_has_most_layers():
    assert model_by_name("deepseek-v3:671b").layers == 128


def test_pulling_what_never_fits_is_for_nothing():
    assert too_large("llama3.3", 27 * GIB) == (
        "llama3.3:latest is not pulled, and never fits: it takes 41.9 GiB, the budget is 27.0 GiB"
    )
    assert too_large("llama3.1:8b", 27 * GIB) is None
    assert too_large("nobody", 1) is None
