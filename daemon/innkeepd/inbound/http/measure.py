"""Whether a prompt fits the context, where Ollama would cut it without a word: everywhere under ``/v1``.

Ollama 0.17.4 takes no ``truncate`` there (``openai.FromChatRequest``), drops whole messages from the front, and its
``usage`` then counts what is left: afterwards nothing can be told. So a prompt that *may* be too long is read first
through ``/api/chat`` with ``truncate`` false and one token to say. That counts it exactly, and the request proper finds
it in the runner's prompt cache: what is paid twice is one token. A token has at least one byte, so that a body of fewer
bytes than the context has tokens needs no such look.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from innkeepd.inbound.http.asked import Asked, text_of
from innkeepd.outbound.backend import BackendFault
from innkeepd.outbound.ollama_wire import error_text
from innkeepd.policy.error_texts import classify
from innkeepd.wish import Lease

SPARE = 1024
"""Tokens left for what the model's template and its own system prompt add."""
SLACK = 16
"""Tokens by which our reading of the body may differ from Ollama's own."""

_ENCODE = msgspec.json.Encoder().encode
_JSON = {"content-type": "application/json"}


class _Counted(Struct, frozen=True):
    prompt_eval_count: int = 0


async def refuse_overflow(asked: Asked, lease: Lease) -> None:
    """Raises ``BackendFault`` ``context_overflow`` where Ollama would cut the prompt."""
    context = lease.context
    if context is None or asked.size <= context - SPARE:
        return
    path, body = as_native(asked)
    body |= {"model": lease.model, "stream": False, "options": {"num_predict": 1}}
    body = lease.backend.dialect.own(path, body, context=context, keep_alive=lease.keep_alive)
    async with lease.backend.forward("POST", path, _ENCODE(body), _JSON) as answer:
        told = await answer.read()
    if answer.status != 200:
        text = error_text(told)
        code = classify(answer.status, text)
        if code in {"context_overflow", "backend_unreachable", "out_of_memory", "load_failed"}:
            raise BackendFault(code, text, status=answer.status)
        return  # what else is wrong the request itself is told, in its own API's shape
    count = msgspec.json.decode(told, type=_Counted).prompt_eval_count
    if asked.endpoint.kind == "chat" and count + SLACK > context:
        raise BackendFault("context_overflow", f"the prompt has {count} tokens, {lease.model} is loaded with {context}")


def as_native(asked: Asked) -> tuple[str, dict[str, Any]]:
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
