"""The pulled models: those of the default chains with their real sizes and shapes, and the answers that describe them.

Names are what people type; *weights* are the file that a runner maps. A derived model (``/api/create`` with ``from``)
has a name of its own and parameters of its own, and shares the weights.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, structs

GIB = 2**30


def tagged(name: str) -> str:
    """The name as Ollama lists it: with its tag, without the default host and namespace."""
    bare = name.strip().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return bare if ":" in bare.rsplit("/", 1)[-1] else f"{bare}:latest"


def sha(text: str) -> str:
    """64 hexadecimal digits that stand for a file which does not exist."""
    return hashlib.sha256(text.encode()).hexdigest()


class Pulled(Struct, frozen=True):
    """A model on the simulated disk.

    Sizes in bytes, lengths in tokens, speeds in tokens a second, ``load_seconds`` at speed 1. ``format``: ``gguf``, or
    ``safetensors`` for the MLX runner. ``remote_host``: the host that runs it, where this machine does not.
    ``renders_itself``: it has no Go template, llama-server renders its prompts. ``damage``: ``cut``, ``garbled``,
    ``gone`` or ``lacks`` (a tensor).
    """

    name: str
    size: int
    parameters: int = 8_000_000_000
    family: str = "llama"
    layers: int = 32
    kv_heads: int = 8
    heads: int = 32
    head_dim: int = 128
    max_context: int = 131_072
    quantization: str = "Q4_K_M"
    capabilities: tuple[str, ...] = ("completion",)
    load_seconds: float = 4.0
    decode: float = 27.0
    prefill: float = 1200.0
    options: dict[str, Any] = {}
    weights: str = ""
    digest: str = ""
    parent: str = ""
    modified_at: str = "2026-11-01T09:00:00.000000000Z"
    format: str = "gguf"
    remote_host: str = ""
    remote_model: str = ""
    renders_itself: bool = False
    damage: str = ""

    @property
    def blob(self) -> str:
        """Digest of the weights' file: equal for names that share a runner."""
        return self.weights or sha(f"weights of {self.name}")

    @property
    def manifest(self) -> str:
        """Digest in ``/api/tags``: unique and stable, because clients keep what they learn by it."""
        return self.digest or sha(f"manifest of {self.name} {sorted(self.options.items())}")

    @property
    def full_name(self) -> str:
        """The name with host and namespace, as some error texts have it."""
        return f"registry.ollama.ai/library/{self.name}"

    @property
    def is_mlx(self) -> bool:
        """Whether the MLX runner runs it."""
        return self.format == "safetensors"

    @property
    def runner_key(self) -> str:
        """What names that share a runner have in common: the weights; for MLX the manifest, so that none does."""
        return self.manifest if self.is_mlx else self.blob

    @property
    def kv_per_token(self) -> int:
        """Bytes of an f16 KV cache for one token."""
        return 2 * self.layers * self.kv_heads * self.head_dim * 2

    def kv(self, context: int, parallel: int = 1) -> int:
        """Bytes of the KV cache for every slot."""
        return self.kv_per_token * context * parallel

    def footprint(self, context: int, parallel: int = 1) -> int:
        """Bytes in memory: weights, KV cache, and buffers of 5 % of the weights up to 1 GiB.

        MLX holds nothing but the weights after a load, and grows with what it reads.
        """
        if self.is_mlx:
            return self.size
        return self.size + self.kv(context, parallel) + min(self.size // 20, GIB)


QWEN = Pulled(
    "qwen2.5-coder:32b", 19_851_349_898, 32_763_876_352, "qwen2", 64, 8, 40, 128, 32_768,
    capabilities=("completion", "tools", "insert"), load_seconds=13.0, decode=13.0, prefill=300.0,
)  # fmt: skip
DEEPSEEK = Pulled(
    "deepseek-r1:32b", 19_851_337_640, 32_763_876_352, "qwen2", 64, 8, 40, 128, 131_072,
    capabilities=("completion", "thinking"), load_seconds=15.0, decode=12.0, prefill=300.0,
)  # fmt: skip
LLAMA70 = Pulled(
    "llama3.3:latest", 42_520_413_916, 70_553_706_560, "llama", 80, 8, 64, 128, 131_072,
    capabilities=("completion", "tools"), load_seconds=30.0, decode=5.0, prefill=120.0,
)  # fmt: skip
LLAMA8 = Pulled(
    "llama3.1:8b", 4_920_753_328, 8_030_261_312, "llama", 32, 8, 32, 128, 131_072,
    capabilities=("completion", "tools"), load_seconds=4.0, decode=27.0, prefill=1200.0,
)  # fmt: skip
SHELF = (QWEN, DEEPSEEK, LLAMA70, LLAMA8)

MLX8 = Pulled(
    "qwen3-mlx:8b", 4_620_000_000, 8_190_735_360, "qwen3", 36, 8, 32, 128, 40_960, "int4",
    capabilities=("completion", "tools", "thinking"), load_seconds=3.0, decode=32.0, prefill=1400.0,
    format="safetensors",
)  # fmt: skip
CLOUD = Pulled(
    "gpt-oss:120b-cloud", 384, 0, "", 0, 0, 0, 0, 131_072, "", decode=90.0, prefill=5000.0, format="",
    remote_host="https://ollama.com:443", remote_model="gpt-oss:120b",
)  # fmt: skip
NEW_KINDS = (MLX8, CLOUD)
"""Kinds of models that 0.17 does not have: one for the MLX runner, one that runs on another host."""

LIBRARY = (
    Pulled(
        "llama3.2:1b", 1_321_098_329, 1_235_814_432, "llama", 16, 8, 32, 64, 131_072, "Q8_0",
        capabilities=("completion", "tools"), load_seconds=1.0, decode=90.0,
    ),
    Pulled(
        "qwen2.5-coder:7b", 4_683_087_519, 7_615_616_512, "qwen2", 28, 4, 28, 128, 32_768,
        capabilities=("completion", "tools", "insert"),
    ),
    Pulled(
        "nomic-embed-text:latest", 274_302_450, 136_727_040, "nomic-bert", 12, 12, 12, 64, 2048, "F16",
        capabilities=("embedding",), load_seconds=0.5, decode=500.0, prefill=20_000.0,
    ),
)  # fmt: skip
"""What ``/api/pull`` can bring."""


class Catalog:
    """Every name on the disk, in the order in which they came."""

    def __init__(self, models: Iterable[Pulled] | None = None) -> None:
        chosen = SHELF if models is None else tuple(models)
        self._models = {tagged(model.name): structs.replace(model, name=tagged(model.name)) for model in chosen}

    def __iter__(self) -> Any:
        return iter(tuple(self._models.values()))

    def find(self, name: str) -> Pulled | None:
        """The model of a name, in whatever spelling."""
        return self._models.get(tagged(name))

    def add(self, model: Pulled) -> None:
        """Put a pulled model on the disk."""
        self._models[model.name] = model

    def derive(self, name: str, parent: Pulled, options: Mapping[str, Any], modified_at: str) -> Pulled:
        """Make a name that shares the parent's weights and lays its own parameters over the parent's."""
        model = structs.replace(
            parent, name=tagged(name), options={**parent.options, **options}, weights=parent.blob, digest="",
            parent=parent.name, modified_at=modified_at,
        )  # fmt: skip
        self.add(model)
        return model


def details(model: Pulled, *, lengths: bool = False) -> dict[str, Any]:
    """``details`` of tags, ps and show; ``lengths``: with those that tags has since 0.30."""
    count = model.parameters
    if count >= 1_000_000_000:
        size = f"{count / 1e9:.1f}B"
    else:
        size = f"{count / 1e6:.2f}M" if count >= 1_000_000 else f"{count // 1000}K"
    entry: dict[str, Any] = {
        "parent_model": model.parent, "format": model.format, "family": model.family,
        "families": [model.family] if model.family else None, "parameter_size": size if count else "",
        "quantization_level": model.quantization,
    }  # fmt: skip
    if lengths and not model.remote_host:
        entry |= {"context_length": model.max_context, "embedding_length": model.heads * model.head_dim}
    return entry


def tag(model: Pulled, *, tells_capabilities: bool = False) -> dict[str, Any]:
    """One line of ``/api/tags``."""
    entry = {"name": model.name, "model": model.name, **remote_fields(model), "modified_at": model.modified_at,
        "size": model.size, "digest": model.manifest, "details": details(model, lengths=tells_capabilities),
    }  # fmt: skip
    if tells_capabilities and not model.remote_host:
        entry["capabilities"] = list(model.capabilities)
    return entry


def remote_fields(model: Pulled) -> dict[str, str]:
    """Where a model of another host runs, and what it is called there."""
    return {"remote_model": model.remote_model, "remote_host": model.remote_host} if model.remote_host else {}


def show(model: Pulled) -> dict[str, Any]:
    """The answer of ``/api/show``; tensors are a sample of the 771 of a 32B."""
    width = model.heads * model.head_dim
    template = (
        "{{ if .Suffix }}<|fim_prefix|>{{ .Prompt }}{{ end }}" if "insert" in model.capabilities else "{{ .Prompt }}"
    )
    blob = f"/models/blobs/sha256-{model.blob}"
    parameters = "\n".join(f"{key:<30} {value}" for key, value in model.options.items())
    lines = [
        f"FROM {'' if model.remote_host else blob}",
        f"TEMPLATE {template}",
        *(f"PARAMETER {key} {value}" for key, value in model.options.items()),
    ]
    head = {
        "modelfile": '# Modelfile generated by "ollama show" (simulated)\n' + "\n".join(lines) + "\n",
        **({"parameters": parameters} if parameters else {}),
        "template": template, "details": details(model),
    }  # fmt: skip
    if model.remote_host:
        return head | remote_fields(model) | {"model_info": {}, "modified_at": model.modified_at}
    shape = {"general.architecture": model.family, "general.file_type": 15, "general.parameter_count": model.parameters}
    shape |= {f"{model.family}.{key}": value for key, value in _shape(model, width).items()}
    shape |= {} if model.is_mlx else {f"tokenizer.ggml.{key}": value for key, value in TOKENIZER.items()}
    return head | {
        "model_info": shape,
        "tensors": [{"name": "token_embd.weight", "type": model.quantization, "shape": [width, 32_000]}],
        "capabilities": list(model.capabilities), "modified_at": model.modified_at,
    }  # fmt: skip


TOKENIZER: Mapping[str, Any] = {
    "add_bos_token": True, "bos_token_id": 260, "eos_token_id": 261, "merges": None, "model": "gpt2",
    "pre": "llama-bpe", "token_type": None, "tokens": None,
}  # fmt: skip


def _shape(model: Pulled, width: int) -> dict[str, Any]:
    lengths = {"block_count": model.layers, "context_length": model.max_context, "embedding_length": width}
    if model.is_mlx:  # no heads: nobody can compute its KV cache from this
        return lengths
    return {
        "attention.head_count": model.heads, "attention.head_count_kv": model.kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-05, **lengths, "feed_forward_length": 4 * width,
        "rope.dimension_count": model.head_dim, "rope.freq_base": 10_000, "vocab_size": 32_000,
        **({"pooling_type": 1} if "embedding" in model.capabilities else {}),
    }  # fmt: skip
