"""Tiny models of random weights for a real Ollama: what they are, and how they become files.

The weights say nothing, but everything around them is real: loading, memory, contexts, tokens, failures. Each is made
from a fixed seed, so that two machines test the same bytes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np

CONTROL = ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>")
MERGES = (("a", "b"), ("t", "h"), ("th", "e"), ("Ġ", "a"))

PLAIN = "{{ .Prompt }}"
# The prompt alone, as in PLAIN: random weights answer anything equally well. What counts is what a template names,
# because Ollama reads a model's capabilities from that.
TOOLS = """{{- if .Tools }}{{ .Tools }}{{ end }}{{ range .Messages }}{{ .Content }}
{{- range .ToolCalls }}<tool_call>{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}</tool_call>
{{- end }}{{ end }}"""
# Without a <think> at its end the answer is all content; with it, what comes before </think> is thinking.
THINKING = """{{- range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}
{{- end }}{{ if .Think }}<think>
{{ end }}"""


@dataclass(frozen=True)
class Shape:
    """The dimensions of a llama; sizes in elements, ``context`` in tokens."""

    width: int
    blocks: int
    heads: int
    kv_heads: int
    feed_forward: int
    context: int = 4096
    head: int = 64
    seed: int = 1
    embeds: bool = False
    """An embedding model: Ollama tells one by its pooling, and runs it for nothing else."""
    missing: str = ""
    """The tensor that is left out: llama.cpp then refuses the file."""

    @property
    def file(self) -> str:
        """A name that two shapes share only if they are the same."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16] + ".gguf"


@dataclass(frozen=True)
class Recipe:
    """What ``/api/create`` needs to make one model: a shape of its own, or another model to build on."""

    shape: Shape | None = None
    base: str = ""
    template: str = PLAIN
    parameters: dict[str, Any] = field(default_factory=lambda: {"num_predict": 40, "num_thread": 1})
    """One thread: llama.cpp's threads spin while they wait for each other, and on two busy cores two are slower."""


_TINY = Shape(width=64, blocks=1, heads=1, kv_heads=1, feed_forward=128)
_MID = Shape(width=512, blocks=8, heads=8, kv_heads=4, feed_forward=2048)
_BIG = Shape(width=1024, blocks=12, heads=16, kv_heads=8, feed_forward=4096)
# 64 KiB a token: 8,000,000 of them are 488 GiB, more than any machine that runs these tests has.
_LONG = Shape(width=256, blocks=16, heads=8, kv_heads=8, feed_forward=256, head=128, context=8388608)

RECIPES = {
    "tiny": Recipe(_TINY),
    "mid": Recipe(_MID),
    "mid2": Recipe(Shape(**{**vars(_MID), "seed": 2})),
    "big": Recipe(_BIG),
    "big2": Recipe(Shape(**{**vars(_BIG), "seed": 2})),
    "bigalias": Recipe(base="big"),
    "roomy": Recipe(Shape(**{**vars(_TINY), "seed": 6, "context": 16384})),
    "longctx": Recipe(_LONG),
    "neverfits": Recipe(base="longctx", parameters={"num_predict": 40, "num_thread": 1, "num_ctx": 8000000}),
    "broken": Recipe(Shape(**{**vars(_TINY), "seed": 3, "missing": "blk.0.ffn_down.weight"})),
    "tools": Recipe(Shape(**{**vars(_TINY), "seed": 4}), template=TOOLS),
    "think": Recipe(Shape(**{**vars(_TINY), "seed": 5}), template=THINKING),
    "embedder": Recipe(Shape(**{**vars(_TINY), "seed": 7, "embeds": True})),
}
"""By name. Bytes of weights: tiny, roomy, tools, think, embedder, broken 0.2 MB; mid, mid2 63 MB; big, big2 379 MB;
longctx 40 MB. ``bigalias`` shares big's weights and so its runner; ``neverfits`` asks for longctx at 8,000,000 tokens
by itself."""


def revision() -> str:
    """Changes whenever this file does: models made by another revision are made anew."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]


def write(shape: Shape, path: Path) -> None:
    """Write the file of one shape; the biggest takes about four seconds and 0.4 GB."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, shape)
    for name, tensor in _tensors(shape):
        if name != shape.missing:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.blocks)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(10000.0)
    if shape.embeds:
        writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = [*_byte_tokens(), *("".join(merge) for merge in MERGES), *CONTROL]
    normal, control = int(gguf.TokenType.NORMAL), int(gguf.TokenType.CONTROL)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in CONTROL else normal for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in MERGES])
    writer.add_bos_token_id(tokens.index("<|user|>"))
    writer.add_eos_token_id(tokens.index("<|end|>"))
    writer.add_add_bos_token(True)


def _byte_tokens() -> list[str]:
    """GPT-2's alphabet: each of the 256 bytes as one printable character."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + rank) for rank in range(len(others))]


def _tensors(shape: Shape) -> Iterator[tuple[str, np.ndarray]]:
    random = np.random.default_rng(shape.seed)
    vocabulary = 256 + len(MERGES) + len(CONTROL)

    def weights(rows: int, columns: int) -> np.ndarray:
        return (random.standard_normal((rows, columns), dtype=np.float32) * 0.02).astype(np.float16)

    def ones() -> np.ndarray:
        return np.ones(shape.width, dtype=np.float32)

    query, keys = shape.heads * shape.head, shape.kv_heads * shape.head
    yield "token_embd.weight", weights(vocabulary, shape.width)
    # An answer that a person can read and that no control token ends: only printable ASCII and the merges may win,
    # because a logit of 0 is below half of theirs and Ollama samples from the first 40.
    readable = [*range(ord("~") - ord("!") + 1), *range(256, 256 + len(MERGES))]
    output = np.zeros((vocabulary, shape.width), dtype=np.float16)
    output[readable] = 4 * weights(len(readable), shape.width)
    yield "output.weight", output
    yield "output_norm.weight", ones()
    for block in range(shape.blocks):
        yield f"blk.{block}.attn_norm.weight", ones()
        yield f"blk.{block}.ffn_norm.weight", ones()
        yield f"blk.{block}.attn_q.weight", weights(query, shape.width)
        yield f"blk.{block}.attn_k.weight", weights(keys, shape.width)
        yield f"blk.{block}.attn_v.weight", weights(keys, shape.width)
        yield f"blk.{block}.attn_output.weight", weights(shape.width, query)
        yield f"blk.{block}.ffn_gate.weight", weights(shape.feed_forward, shape.width)
        yield f"blk.{block}.ffn_up.weight", weights(shape.feed_forward, shape.width)
        yield f"blk.{block}.ffn_down.weight", weights(shape.width, shape.feed_forward)
