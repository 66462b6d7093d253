"""What a model that is not pulled will take: from what is known by name, told by its registry, or read in its name.

The sizes are estimates. They are good enough to say that a model never fits before somebody downloads it; once it is
pulled, what Ollama reports replaces them.
"""

import re

from innkeepd.policy.memory.budget import gib
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.model import CONTEXT_STEPS, Model, canonical, footprint

BITS_PER_WEIGHT = {
    "Q2_K": 3.35, "Q3_K_S": 3.5, "Q3_K_M": 3.91, "Q3_K_L": 4.27, "Q4_0": 4.66, "Q4_1": 5.2, "Q4_K_S": 4.67,
    "Q4_K_M": 4.89, "Q5_0": 5.6, "Q5_1": 6.1, "Q5_K_S": 5.57, "Q5_K_M": 5.7, "Q6_K": 6.56, "Q8_0": 8.5, "F16": 16.0,
    "BF16": 16.0, "F32": 32.0, "MXFP4": 4.25,
}  # fmt: skip
"""Bits of one weight with block scales, by the file type's name.

Source: the table of llama.cpp's ``tools/quantize`` for an 8B (embeddings are kept at more bits). Q4_K_M: 19.85 GB for
32.76 billion parameters is 4.85, 4.92 GB for 8.03 billion 4.90.
"""

USUAL = "Q4_K_M"
"""What Ollama's library serves where a tag names no quantization."""

SHAPES = ((5e9, 36), (10e9, 36), (16e9, 48), (45e9, 64), (90e9, 80))
"""Up to so many parameters, so many layers of 8 KV heads of 128: shapes of Qwen and Llama of that size, rounded up."""

MOST_LAYERS = 128
KV_HEADS, HEAD = 8, 128

_PARAMETERS = re.compile(r"(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)


def known_model(name: str) -> Model | None:
    """The model of the built-in table with this name; None where it has none."""
    return next((model for model in KNOWN_MODELS if model.name == canonical(name)), None)


def too_large(name: str, budget: int) -> str | None:
    """Why pulling ``name`` would be for nothing, as a sentence; None where it fits ``budget`` (bytes) or is not known.

    Judged at the smallest context.
    """
    model = known_model(name) or model_by_name(name)
    size = footprint(model, CONTEXT_STEPS[0]) if model is not None else 0
    if size <= budget:
        return None
    return f"{canonical(name)} is not pulled, and never fits: it takes {gib(size)}, the budget is {gib(budget)}"


def model_by_name(name: str) -> Model | None:
    """A model as its name describes it: ``qwen3:14b``, ``mixtral:8x7b-instruct-q5_K_M``; None without parameters."""
    parameters = parameters_of(canonical(name))
    if parameters is None:
        return None
    kind = quantization_of(name) or USUAL
    return model_by_size(name, parameters, int(parameters * BITS_PER_WEIGHT[kind] / 8), kind)


def model_by_size(name: str, parameters: int, size: int, quantization: str) -> Model:
    """A model of which these are known: ``size`` in bytes. Its shape is assumed from its parameters (``SHAPES``)."""
    layers = next((layers for most, layers in SHAPES if parameters <= most), MOST_LAYERS)
    spelled = canonical(name)
    return Model(
        name=spelled,
        weights=spelled,
        size=size,
        parameters=parameters,
        quantization=quantization,
        layers=layers,
        kv_heads=KV_HEADS,
        key_length=HEAD,
        value_length=HEAD,
        capabilities=frozenset(),
    )


def parameters_of(text: str) -> int | None:
    """``32b`` and ``32.8B`` as 32 and 32.8 billion, ``8x7b`` as 56 billion (experts share layers: at most), ``135m``.

    The last number of a name counts: ``qwen2.5-coder:32b``.
    """
    found = [match for match in _PARAMETERS.finditer(text) if float(match[2])]
    if not found:
        return None
    experts, number, unit = found[-1].groups()
    return round(int(experts or 1) * float(number) * (1e9 if unit in "bB" else 1e6))


def quantization_of(name: str) -> str | None:
    """The quantization that a tag names: ``7b-instruct-q5_K_M`` is Q5_K_M, ``8b-fp16`` F16."""
    tag = canonical(name).rpartition(":")[2].upper().replace("FP16", "F16")
    found = [kind for kind in BITS_PER_WEIGHT if re.search(rf"(?<![A-Z0-9]){kind}(?![A-Z0-9_])", tag)]
    return max(found, key=len, default=None)
