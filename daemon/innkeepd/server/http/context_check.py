"""How long an answer may be, and whether its prompt fits the context, where Ollama would shift or cut without a word.

Under ``/v1`` Ollama takes no ``truncate`` (``openai.FromChatRequest``), drops whole messages from the front, and its
``usage`` then counts what is left: afterwards nothing can be told. So a prompt that *may* be too long is counted first
(``ollama_count``). So is one beside which the answer may run past the end of the context: under ``/v1`` always, and
since 0.30 natively too, Ollama shifts the context under it (``policy.answer_limit``).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from innkeepd.backends.backend import BackendFault
from innkeepd.backends.ollama_count import count_prompt
from innkeepd.chat.types import Assignment
from innkeepd.policy.answer_limit import SPARE, certain_limit, counted_limit
from innkeepd.server.http.request import ModelRequest, text_of

SLACK = 16
"""Tokens by which our reading of a body under ``/v1`` may differ from Ollama's own."""
_OURS_TO_TELL = frozenset({"context_overflow", "backend_unreachable", "out_of_memory", "load_failed"})
"""What a count under ``/v1`` may find; anything else the request itself is told, in its own API's shape."""

_ENCODE = msgspec.json.Encoder().encode


async def answer_limit(asked: ModelRequest, lease: Assignment) -> int | None:
    """Tokens that the answer may have; None: as the client says.

    Raises ``BackendFault``, ``context_overflow`` where Ollama would cut the prompt.
    """
    context, native = lease.context, asked.endpoint.is_native
    is_chat = asked.endpoint.kind == "chat"
    if context is None or (native and (lease.backend.dialect.shifts_by_request or not is_chat)):
        return None
    certain = certain_limit(context, asked.size, asked.asks_for)
    if certain is not None and is_chat:
        return certain
    if not is_chat and asked.size <= context - SPARE:
        return None
    path, body = (asked.endpoint.path, asked.body) if native else as_native(asked)
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
    return counted_limit(context, tokens, asked.asks_for)


def as_native(asked: ModelRequest) -> tuple[str, dict[str, Any]]:
    """The path and the body that make Ollama read the same prompt; only what is read, not how to answer."""
    body = asked.body
    if asked.endpoint.kind == "embed":
        return "/api/embed", {"input": body.get("input")}
    if asked.endpoint.path == "/v1/completions":
        return "/api/generate", {"prompt": text_of(body.get("prompt")), "suffix": body.get("suffix") or ""}
    messages = [
        {"role": "system", "content": text_of(body[key])} for key in ("system", "instructions") if body.get(key)
    ]
    given = body.get("input")
    if isinstance(given, str):
        messages.append({"role": "user", "content": given})
    spoken = (*_list(body.get("messages")), *_list(given))
    messages.extend(_message(message) for message in spoken if isinstance(message, dict))
    tools = [tool for each in _list(body.get("tools")) if (tool := _tool(each))]
    think = {"think": False} if body.get("reasoning_effort") == "none" else {}
    return "/api/chat", {"messages": messages, **({"tools": tools} if tools else {}), **think}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """One message; calls and images take their room as text, which is close enough to what they become."""
    said = text_of(message.get("content", message.get("output")))
    calls = message.get("tool_calls") or message.get("arguments")
    if calls:
        said += calls if isinstance(calls, str) else _ENCODE(calls).decode()
    role = message.get("role") or ("tool" if "output" in message else "assistant")
    return {"role": "system" if role == "developer" else role, "content": said}


def _tool(tool: Any) -> dict[str, Any] | None:
    """A tool as Ollama's own API has it, from OpenAI's two shapes and Anthropic's."""
    if not isinstance(tool, dict):
        return None
    said = tool.get("function") if isinstance(tool.get("function"), dict) else tool
    if not isinstance(said, dict) or not said.get("name"):
        return None
    function = {
        "name": said["name"],
        "description": said.get("description") or "",
        "parameters": said.get("parameters") or said.get("input_schema") or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": function}
