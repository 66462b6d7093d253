"""Names, weights, footprints."""

import pytest
from msgspec import structs

from innkeepd.policy.model import (
    GIB,
    Model,
    canonical,
    derived_name,
    footprint,
    is_derived_from,
    kv_bytes,
    predicted,
    without_derived,
)

CODER = Model("qwen2.5-coder:32b", "c", 19_851_349_898, layers=64, kv_heads=8, key_length=128, value_length=128)
SMALL = Model("llama3.1:8b", "s", 4_920_753_328, layers=32, kv_heads=8, key_length=128, value_length=128)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("big", "big:latest"),
        ("big:latest", "big:latest"),
        (" big:7b ", "big:7b"),
        ("ollama/qwen2.5-coder:32b", "qwen2.5-coder:32b"),
        ("library/big", "big:latest"),
        ("registry.ollama.ai/library/big:7b", "big:7b"),
        ("example.org:5000/team/big", "example.org:5000/team/big:latest"),
    ],
)
def test_a_name_has_one_spelling(spelled, name):
    assert canonical(spelled) == name
    assert canonical(canonical(spelled)) == name


def test_a_token_of_a_32b_takes_256_kib_and_one_of_an_8b_128():
    assert kv_bytes(CODER, 1) == 256 * 1024
    assert kv_bytes(SMALL, 1) == 128 * 1024


def test_slots_multiply_the_cache_and_its_type_shrinks_it_as_measured():
    assert kv_bytes(CODER, 4096, parallel=2) == 2 * kv_bytes(CODER, 4096)
    assert kv_bytes(CODER, 4096, cache_type="q8_0") == int(0.53 * kv_bytes(CODER, 4096))
    assert kv_bytes(CODER, 4096, cache_type="q4_0") == int(0.28 * kv_bytes(CODER, 4096))
    assert kv_bytes(CODER, 4096, cache_type="unheard of") == kv_bytes(CODER, 4096)


@pytest.mark.parametrize(
    ("context", "parallel", "surcharge"),
    [(4096, 1, 0), (8192, 1, 768 * 2**20), (32768, 1, 768 * 2**20), (40960, 1, 2 * GIB), (4096, 2, 768 * 2**20)],
)
def test_ollamas_own_prediction_adds_a_surcharge_for_a_larger_batch(context, parallel, surcharge):
    expected = CODER.size + kv_bytes(CODER, context, parallel=parallel) + surcharge
    assert predicted(CODER, context, parallel=parallel) == expected


def test_a_footprint_is_weights_and_cache_and_buffers():
    assert footprint(CODER, 8192) == CODER.size + 2 * GIB + CODER.size // 20
    assert footprint(SMALL, 4096) == SMALL.size + GIB // 2 + SMALL.size // 20


def test_buffers_are_a_gibibyte_at_most():
    huge = Model("huge", "h", 400 * GIB)
    assert footprint(huge, 4096) == 401 * GIB


def test_the_measured_model_of_379_mb_comes_out_within_a_tenth():
    measured = Model("big", "b", 378_682_694, layers=12, kv_heads=8, key_length=64, value_length=64)
    assert footprint(measured, 4096) == pytest.approx(478_793_728, rel=0.1)


def test_no_shape_takes_more_than_a_reply_can_say():
    odd = Model("odd", "o", GIB, layers=2**40, kv_heads=2**40, key_length=2**40, value_length=2**40)
    assert GIB < footprint(odd, 32768) < 2**63


def test_a_model_in_safetensors_is_the_mlx_engines():
    assert Model("m", "m", 1, format="safetensors").is_mlx
    assert not Model("m", "m", 1, format="gguf").is_mlx


def test_a_derived_name_tells_its_parent_by_the_digest_and_never_shows_in_a_text():
    model = Model("my model:7b", "w", GIB, digest="sha256:0123456789abcdef")
    name = derived_name(model, 8192)
    assert is_derived_from(name, model)
    assert not is_derived_from(name, structs.replace(model, digest="sha256:ffff"))
    assert not is_derived_from("my model:7b", model)
    assert without_derived(f"model '{name}' not found", "my model:7b") == "model 'my model:7b' not found"
