"""Embeddings: vectors of length one, the same for the same text and weights, and of no meaning."""

import base64
import math
import random
import struct
from typing import Any

import anyio
from msgspec import Struct, structs

from innkeepd.simulator import asked as asking
from innkeepd.simulator.answer import V1_JSON, SimAnswer, json_answer
from innkeepd.simulator.answering import TEMPLATE_TOKENS
from innkeepd.simulator.catalog import Pulled
from innkeepd.simulator.faults import Refusal
from innkeepd.simulator.state import State
from innkeepd.simulator.text import count
from innkeepd.simulator.texts import NO_EMBEDDINGS, TOO_LONG


def vector(text: str, model: Pulled) -> list[float]:
    """A unit vector as wide as the model, rounded as 32-bit floats print."""
    dice = random.Random(f"{model.blob} {text}")  # noqa: S311 -- nothing depends on it
    raw = [dice.gauss(0.0, 1.0) for _ in range(model.heads * model.head_dim)]
    length = math.sqrt(sum(value * value for value in raw))
    return [round(value / length, 9) for value in raw]


class Embedded(Struct, frozen=True):
    """Vectors, their prompts' tokens, and seconds in all and of the load."""

    vectors: list[list[float]]
    tokens: int
    total: float
    load: float


async def embed(state: State, body: dict[str, Any]) -> SimAnswer:
    """``/api/embed``: one text or many."""
    texts = _texts(body.get("input"))
    asked = asking.native(body, chat=False)
    result = await _embed(state, asked, texts)
    if not texts and not state.release.embeds_with_chat_models:
        return json_answer({"model": asked.model, "embeddings": []})
    return json_answer(
        {
            "model": asked.model, "embeddings": result.vectors, "total_duration": int(result.total * 1e9),
            "load_duration": int(result.load * 1e9), "prompt_eval_count": result.tokens,
        }
    )  # fmt: skip


async def embeddings(state: State, body: dict[str, Any]) -> SimAnswer:
    """``/api/embeddings``, the old one: one prompt; never cut, and all that goes wrong is 500."""
    asked = asking.native(body, chat=False)
    if not state.release.embeds_with_chat_models:
        asked = structs.replace(asked, truncate=False)
    try:
        result = await _embed(state, asked, _texts(body.get("prompt")))
    except Refusal as refused:
        if refused.text in (NO_EMBEDDINGS, TOO_LONG) and not state.release.embeds_with_chat_models:
            refused.status = 500
        raise
    return json_answer({"embedding": result.vectors[0] if result.vectors else []})


async def v1_embeddings(state: State, body: dict[str, Any]) -> SimAnswer:
    """``/v1/embeddings``: numbers, or base64 of 32-bit floats, which OpenAI's own client asks for."""
    asked = asking.openai(body, chat=False)
    result = await _embed(state, asked, _texts(body.get("input")))
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "embedding": _base64(one) if packed else one, "index": index}
        for index, one in enumerate(result.vectors)
    ]
    usage = {"prompt_tokens": result.tokens, "total_tokens": result.tokens}
    return json_answer({"object": "list", "data": data, "model": asked.model, "usage": usage}, V1_JSON)


async def _embed(state: State, asked: asking.Asked, texts: list[str]) -> Embedded:
    """Load where that is needed, then read the texts. Raises ``Refusal``."""
    release = state.release
    model = state.find(asked.model, missing=release.texts.embed_missing)
    began = anyio.current_time()
    use = await state.runners.use(model, state.launch(model, asked), asked.keep)
    loaded = anyio.current_time()
    try:
        if "embedding" not in model.capabilities and not release.embeds_with_chat_models:
            raise Refusal(501, NO_EMBEDDINGS)
        await use.slot()
        longest = use.runner.context - (0 if release.embeds_with_chat_models else 1)
        lengths = [count(text) + TEMPLATE_TOKENS for text in texts]
        if max(lengths, default=0) > longest and not asked.truncate:
            raise Refusal(400, TOO_LONG)
        tokens = sum(min(length, longest) for length in lengths)
        await anyio.sleep(tokens / model.prefill / state.speed)
    finally:
        use.release()
    return Embedded([vector(text, model) for text in texts], tokens, anyio.current_time() - began, loaded - began)


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
