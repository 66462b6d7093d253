"""Ollama's exact count of a prompt: the prompt read with one token to say.

The request proper then finds it in the runner's cache, so that it costs one token more, not a second reading.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from innkeepd.backends.backend import Backend, BackendFault
from innkeepd.backends.decoding import Undecodable, count, decode
from innkeepd.backends.ollama_wire import error_text, seconds
from innkeepd.policy.error_texts import classify

_HOW_TO_ANSWER = frozenset({"format", "logprobs", "top_logprobs"})
"""Fields that change the answer but not the prompt."""
_ENCODE = msgspec.json.Encoder().encode
_JSON = {"content-type": "application/json"}


class Counted(Struct, frozen=True):
    """A prompt of so many tokens, those in the cache too; seconds to read the others, and to load; 0: unknown."""

    tokens: int = 0
    prefill_seconds: float = 0.0
    load_seconds: float = 0.0


class _Told(Struct, frozen=True):
    prompt_eval_count: int = 0
    prompt_eval_duration: int = 0
    load_duration: int = 0
    done: bool = False


_TOLD = msgspec.json.Decoder(_Told)


async def count_prompt(
    backend: Backend, path: str, body: Mapping[str, Any], *, context: int, keep_alive: float
) -> Counted:
    """Read the prompt of a body for ``path`` of Ollama's own API. Raises ``BackendFault``, overflow among them."""
    given = body.get("options")
    options = {**(given if isinstance(given, dict) else {}), "num_predict": 1}
    kept = {key: value for key, value in body.items() if key not in _HOW_TO_ANSWER}
    owned = backend.dialect.own(
        path, {**kept, "stream": False, "options": options}, context=context, keep_alive=keep_alive
    )
    async with backend.forward("POST", path, _ENCODE(owned), _JSON) as answer:
        data = await answer.read()
    if answer.status != 200:
        text = error_text(data)
        raise BackendFault(classify(answer.status, text), text, status=answer.status)
    try:
        counted = decode(data, _TOLD)
    except Undecodable as error:
        raise BackendFault("backend_error", f"{path} did not answer as Ollama does: {error}") from None
    if not counted.done and path != "/api/embed":
        raise BackendFault("backend_error", "the answer broke off while its prompt was counted")
    return Counted(
        count(counted.prompt_eval_count), seconds(counted.prompt_eval_duration), seconds(counted.load_duration)
    )
