"""Names, weights, footprints: what is known of a model.

A *model* is what a name stands for; *weights* are what stands in memory. Names with the same weights share one runner
of Ollama's, and ``/api/ps`` lists only the name that was loaded first, so what happens to memory is keyed by weights.
"""

import re
from collections.abc import Set as AbstractSet

from msgspec import Struct

GIB = 2**30
CONTEXT_STEPS = (4096, 8192, 16384, 32768)
"""The contexts that the daemon chooses from, in tokens. Few steps, because each change of context reloads the model."""

KV_BYTES = {"f16": 2.0, "q8_0": 2 * 0.53, "q4_0": 2 * 0.28}
"""Bytes of one element of the KV cache by ``OLLAMA_KV_CACHE_TYPE``, block scales included (measured on 0.33.0: 51 and
27 MiB where f16 takes 96).
"""

BATCH_SURCHARGES = ((32768, 2 * GIB), (4096, 768 * 2**20))
"""What Ollama's scheduler adds to its prediction for the compute buffers of a larger batch: bytes for more than so many
tokens of ``num_ctx`` x parallel (0.33.0, ``server/sched.go``: batch 2048 and 1024).
"""

MOST_BYTES = 2**60
"""What no machine has: a shape that asks for more says no more than that, and every reply can still hold the number."""


def canonical(name: str) -> str:
    """The one spelling of a model's name: with a tag, without Ollama's default host and namespace.

    ``big`` is ``big:latest``; ``ollama/big`` (OpenClaw's and the seed's form) is the same.
    """
    bare = name.strip()
    for prefix in ("ollama/", "registry.ollama.ai/library/", "library/"):
        bare = bare.removeprefix(prefix)
    return bare if ":" in bare.rsplit("/", 1)[-1] else f"{bare}:latest"


DERIVED_PREFIX = "innkeep-ctx/"
"""Names of models that innkeep itself derives to fix a context; they are nobody's to choose."""

DERIVED_RECIPE = 2
"""What derived models carry: 1 the context only, 2 a longest answer too. Those of an older one are left unused."""

_DERIVED = re.compile(r"innkeep-ctx/.*-([0-9a-f]{12}):[0-9]+(?:-[0-9]+)?")
_DERIVED_IN_TEXT = re.compile(r"(?:[A-Za-z0-9.-]+/)?innkeep-ctx/[A-Za-z0-9._-]+:[0-9]+(?:-[0-9]+)?")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class Model(Struct, frozen=True):
    """What the backend tells of a pulled model.

    ``weights`` identifies the file in memory; ``size`` is its bytes on disk, close to what it takes loaded; the shape
    fields are ``/api/show``'s ``model_info`` and 0 where unknown. ``host`` is the machine that a cloud model runs on
    (``remote_host`` of ``/api/tags``); it takes nothing here. ``format`` is ``safetensors`` for a model of Ollama's MLX
    engine, which ignores ``num_ctx``. ``answer_limit`` is its own ``PARAMETER num_predict``, 0 without one.
    """

    name: str
    weights: str
    size: int
    parameters: int = 0
    quantization: str = ""
    layers: int = 0
    kv_heads: int = 0
    key_length: int = 0
    value_length: int = 0
    max_context: int = 0
    capabilities: frozenset[str] = frozenset({"completion"})
    digest: str = ""
    host: str = ""
    format: str = ""
    answer_limit: int = 0

    def can(self, needs: AbstractSet[str]) -> bool:
        """Whether it has these capabilities; one whose capabilities are unknown (an empty set) is believed to."""
        return not self.capabilities or needs <= self.capabilities

    @property
    def is_mlx(self) -> bool:
        """Whether Ollama's MLX engine runs it: its cache grows up to the model's own context, whatever is asked for."""
        return self.format == "safetensors"


def kv_bytes(model: Model, context: int, *, parallel: int = 1, cache_type: str = "f16") -> int:
    """Bytes of the KV cache: layers x KV heads x (key + value length) x element x tokens x parallel slots.

    Source: Ollama's own estimate, measured in 0.17.4; 256 KiB a token for a 32B (64, 8, 128), 128 KiB for an 8B.
    """
    per_token = model.layers * model.kv_heads * (model.key_length + model.value_length)
    return min(int(per_token * KV_BYTES.get(cache_type, 2.0) * context * parallel), MOST_BYTES)


def footprint(model: Model, context: int, *, parallel: int = 1, cache_type: str = "f16") -> int:
    """Estimated bytes in memory: weights + KV cache + compute buffers (5 % of the weights, at most 1 GiB).

    Measured: 379 MB of weights at 4096 tokens make 479 MB in all, 101 of them KV. One told by ``/api/ps`` is better.
    """
    buffers = min(model.size // 20, GIB)
    return model.size + kv_bytes(model, context, parallel=parallel, cache_type=cache_type) + buffers


def predicted(model: Model, context: int, *, parallel: int = 1, cache_type: str = "f16") -> int:
    """Bytes that Ollama's own scheduler predicts before a load: weights + KV cache + the surcharge for its batch.

    This is compared with 80 % of what Ollama holds free (``budget.ollama_gate``); what the model then takes is
    ``footprint``. Source: Ollama 0.33.0, ``server/sched.go``.
    """
    surcharge = next((size for tokens, size in BATCH_SURCHARGES if context * parallel > tokens), 0)
    return model.size + kv_bytes(model, context, parallel=parallel, cache_type=cache_type) + surcharge


def derived_name(model: Model, context: int) -> str:
    """How we call ``model`` at a fixed context; one that was pulled anew (another digest) gets another name.

    So does one of another recipe, so that none which lacks something is taken for it.
    """
    bare = _NOT_IN_A_NAME.sub("-", model.name).strip("-._")[:48]
    return f"{DERIVED_PREFIX}{bare}-{_mark(model)}:{context}-{DERIVED_RECIPE}"


def without_derived(text: str, name: str) -> str:
    """A text of Ollama's with ``name`` in place of each derived model's: nobody asked for that one."""
    return _DERIVED_IN_TEXT.sub(lambda _: name, text)


def is_derived_from(name: str, model: Model) -> bool:
    """Whether ``name`` is one of ``derived_name``'s for this model, of any recipe."""
    found = _DERIVED.fullmatch(name)
    return found is not None and found[1] == _mark(model)


def _mark(model: Model) -> str:
    return model.digest.removeprefix("sha256:")[:12].rjust(12, "0")
