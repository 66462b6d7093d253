"""A chat in Ollama's shape as the body of ``/v1/chat/completions`` (no IO).

What differs, and what becomes of it:

- images lie beside the text in Ollama's messages, inside the content as data URLs here;
- a tool's answer names its call by an id here: ids that are missing are made up, the same on both sides;
- ``num_predict`` is ``max_tokens``. Options that the API does not have (``top_k``, ``num_ctx``, ``repeat_penalty``) are
  left out, because engines refuse what they don't know;
- ``think`` with a level is ``reasoning_effort``. True and false have no common form: with false, what the
  engine thinks is not passed on (``openai_wire``);
- earlier thinking stays here: the API has no field for it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from innkeepd.backends.backend import Ask

SAME_OPTIONS = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty")
"""Options that both APIs call the same."""

_LEVELS = frozenset({"minimal", "low", "medium", "high"})
_IMAGE_KINDS = {"iVBOR": "png", "/9j/": "jpeg", "R0lGOD": "gif", "UklGR": "webp"}


def chat_body(ask: Ask) -> dict[str, Any]:
    """The body of ``/v1/chat/completions`` for a streamed answer with its token counts."""
    extra = ask.extra or {}
    body: dict[str, Any] = {
        "model": ask.model,
        "messages": messages_of(ask.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        **options_of(ask.options or {}),
    }
    if extra.get("tools"):
        body["tools"] = extra["tools"]
    if extra.get("format"):
        body["response_format"] = response_format(extra["format"])
    if extra.get("think") in _LEVELS:
        body["reasoning_effort"] = extra["think"]
    return body


def options_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Ollama's options that the API knows; ``num_predict`` -1 and -2 (no limit) are left out."""
    kept = {name: options[name] for name in SAME_OPTIONS if options.get(name) is not None}
    limit = options.get("num_predict")
    return kept | {"max_tokens": limit} if isinstance(limit, int) and limit > 0 else kept


def response_format(wanted: Any) -> dict[str, Any]:
    """``"json"``, or a JSON schema."""
    if isinstance(wanted, Mapping):
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted}}
    return {"type": "json_object"}


def messages_of(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The conversation; a tool's answer without an id is for the first unanswered call of its name, else the first."""
    out: list[dict[str, Any]] = []
    open_calls: list[tuple[str, str]] = []
    for number, message in enumerate(messages):
        one: dict[str, Any] = {"role": message["role"], "content": _content(message)}
        calls = message.get("tool_calls")
        if calls:
            one["tool_calls"] = [_call(call, f"call_{number}_{place}") for place, call in enumerate(calls)]
            open_calls = [(call["id"], call["function"]["name"]) for call in one["tool_calls"]]
        if message["role"] == "tool":
            one["tool_call_id"] = message.get("tool_call_id") or _answered(open_calls, message.get("tool_name"))
            open_calls = [call for call in open_calls if call[0] != one["tool_call_id"]]
        out.append(one)
    return out


def _content(message: Mapping[str, Any]) -> str | list[dict[str, Any]]:
    text = message.get("content") or ""
    images = message.get("images")
    if not images:
        return str(text)
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    return parts + [{"type": "image_url", "image_url": {"url": _data_url(image)}} for image in images]


def _data_url(image: str) -> str:
    if image.startswith("data:"):
        return image
    kind = next((kind for start, kind in _IMAGE_KINDS.items() if image.startswith(start)), "jpeg")
    return f"data:image/{kind};base64,{image}"


def _call(call: Mapping[str, Any], otherwise: str) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = function.get("arguments", {})
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return {
        "id": call.get("id") or otherwise,
        "type": "function",
        "function": {"name": function.get("name", ""), "arguments": text},
    }


def _answered(open_calls: list[tuple[str, str]], name: str | None) -> str:
    ids = [identity for identity, called in open_calls if called == name] or [identity for identity, _ in open_calls]
    return ids[0] if ids else "call_unknown"
