"""How long an answer may be, and whether its prompt fits the context, where Ollama would shift or cut without a word.

Under ``/v1`` Ollama takes no ``truncate`` (``openai.FromChatRequest``), drops whole messages from the front, and its
``usage`` then counts what is left: afterwards nothing can be told. So a prompt that *may* be too long is counted first
(``ollama_count``). So is one beside which the answer may run past the end of the context: under ``/v1`` always, and
since 0.30 natively too, Ollama shifts the context under it (``policy.answer_limit``).
"""

from typing import Any

from innkeepd.backends.backend import BackendFault
from innkeepd.backends.ollama_count import count_prompt
from innkeepd.chat.types import Assignment
from innkeepd.policy.answer_limit import SPARE, certain_limit, counted_limit
from innkeepd.policy.prompt_layout import messages_prompt, openai_prompt, responses_prompt
from innkeepd.server.http.request import ModelRequest, text_of

SLACK = 16
"""Tokens by which our reading of a body under ``/v1`` may differ from Ollama's own (``policy.prompt_layout``)."""
_OURS_TO_TELL = frozenset({"context_overflow", "backend_unreachable", "out_of_memory", "load_failed"})
"""What a count under ``/v1`` may find; anything else the request itself is told, in its own API's shape."""


async def answer_limit(asked: ModelRequest, lease: Assignment, *, thinks: bool = True) -> int | None:
    """Tokens that the answer may have; None: as the client says. ``thinks``: whether the model can.

    Raises ``BackendFault``, ``context_overflow`` where Ollama would cut the prompt.
    """
    context, native = lease.context, asked.endpoint.is_native
    is_chat = asked.endpoint.kind == "chat"
    if context is None or (native and (lease.backend.dialect.shifts_by_request or not is_chat)):
        return None
    certain = certain_limit(context, asked.size, asked.asks_for(lease.own_limit))
    if certain is not None and is_chat:
        return certain
    if not is_chat and asked.size <= context - SPARE:
        return None
    newer = not lease.backend.dialect.shifts_by_request
    path, body = (asked.endpoint.path, asked.body) if native else as_native(asked, newer=newer, thinks=thinks)
    named = {**body, "model": lease.model}
    try:
        counted = await count_prompt(lease.backend, path, named, context=context, keep_alive=lease.keep_alive)
    except BackendFault as fault:
        if native or fault.code in _OURS_TO_TELL:
            raise
        return None
    lease.counted = counted
    if not is_chat:
        return None
    tokens = counted.tokens + (0 if native else SLACK)
    if not native and tokens > context:
        text = f"the prompt has {counted.tokens} tokens, {lease.model} is loaded with {context}"
        raise BackendFault("context_overflow", text)
    return counted_limit(context, tokens, asked.asks_for(lease.own_limit))


def as_native(asked: ModelRequest, *, newer: bool = True, thinks: bool = True) -> tuple[str, dict[str, Any]]:
    """The path and the body that make Ollama read the same prompt; only what is read, not how to answer.

    ``newer``: Ollama 0.30 or later; ``thinks``: whether the model can think.
    """
    body, path = asked.body, asked.endpoint.path
    if asked.endpoint.kind == "embed":
        return "/api/embed", {"input": body.get("input")}
    if path == "/v1/completions":
        return "/api/generate", {"prompt": text_of(body.get("prompt")), "suffix": body.get("suffix") or ""}
    if path == "/v1/messages":
        return "/api/chat", messages_prompt(body, newer=newer, thinks=thinks)
    return "/api/chat", (responses_prompt if path == "/v1/responses" else openai_prompt)(body, newer=newer)
