"""Embeddings: vectors of length one, the same for the same text and weights, and of no meaning."""

import base64
import math
import random
import struct
from typing import TYPE_CHECKING, Any

import anyio

from innkeepd.simulator import asked as asking
from innkeepd.simulator.answer import V1_JSON, SimAnswer, json_answer
from innkeepd.simulator.answering import TEMPLATE_TOKENS
from innkeepd.simulator.catalog import Pulled
from innkeepd.simulator.faults import TOO_LONG, Refusal
from innkeepd.simulator.text import count

if TYPE_CHECKING:
    from innkeepd.simulator.engine import Simulator


def vector(text: str, model: Pulled) -> list[float]:
    """A unit vector as wide as the model, rounded as 32-bit floats print."""
    dice = random.Random(f"{model.blob} {text}")  # noqa: S311 -- nothing depends on it
    raw = [dice.gauss(0.0, 1.0) for _ in range(model.heads * model.head_dim)]
    length = math.sqrt(sum(value * value for value in raw))
    return [round(value / length, 9) for value in raw]


async def embed(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    """``/api/embed``: one text or many."""
    texts = _texts(body.get("input"))
    asked = asking.native(body, chat=False)
    vectors, tokens, total, load = await _embed(simulator, asked, texts)
    return json_answer(
        {
            "model": asked.model, "embeddings": vectors, "total_duration": int(total * 1e9),
            "load_duration": int(load * 1e9), "prompt_eval_count": tokens,
        }
    )  # fmt: skip


async def embeddings(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    """``/api/embeddings``, the old one: one prompt."""
    vectors, _, _, _ = await _embed(simulator, asking.native(body, chat=False), _texts(body.get("prompt")))
    return json_answer({"embedding": vectors[0] if vectors else []})


async def v1_embeddings(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    """``/v1/embeddings``: numbers, or base64 of 32-bit floats, which OpenAI's own client asks for."""
    asked = asking.openai(body, chat=False)
    vectors, tokens, _, _ = await _embed(simulator, asked, _texts(body.get("input")))
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "embedding": _base64(one) if packed else one, "index": index}
        for index, one in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_answer({"object": "list", "data": data, "model": asked.model, "usage": usage}, V1_JSON)


async def _embed(
    simulator: "Simulator", asked: asking.Asked, texts: list[str]
) -> tuple[list[list[float]], int, float, float]:
    """Vectors, tokens, and seconds in all and of the load. Raises ``Refusal``."""
    model = simulator.find(asked.model)
    began = anyio.current_time()
    use = await simulator.runners.use(model, simulator.context(model, asked.num_ctx), asked.keep)
    try:
        await use.slot()
        seated = anyio.current_time()
        lengths = [count(text) + TEMPLATE_TOKENS for text in texts]
        if max(lengths, default=0) > use.runner.context and not asked.truncate:
            raise Refusal(400, TOO_LONG)
        tokens = sum(min(length, use.runner.context) for length in lengths)
        await anyio.sleep(tokens / model.prefill / simulator.speed)
    finally:
        use.release()
    return [vector(text, model) for text in texts], tokens, anyio.current_time() - began, seated - began


def _texts(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return value
    raise Refusal(400, "invalid input type")


def _base64(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
