"""A request as the simulated engine understands it, whichever API it came by."""

import math
import re
from typing import Any

from msgspec import Struct

from innkeepd.simulator.faults import Refusal

KEEP_ALIVE = 300.0
"""Ollama's default keep-alive, in seconds."""

UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


class Asked(Struct, frozen=True):
    """One question.

    ``text`` is the last user message, ``prompt`` all of it; ``promptless`` means load (or unload, with ``keep`` 0).
    """

    model: str
    text: str
    prompt: str
    promptless: bool
    stream: bool
    keep: float = KEEP_ALIVE
    num_ctx: int | None = None
    num_predict: int | None = None
    truncate: bool = True
    think: bool | None = None
    tools: list[Any] = []
    format: Any = None
    logprobs: int | None = None
    usage: bool = True


def keep_alive(value: Any) -> float:
    """Seconds of a ``keep_alive``: a number, or a duration like ``"5m"`` or ``"1h30m"``; negative is for ever.

    Raises ``Refusal``.
    """
    if value is None:
        return KEEP_ALIVE
    if isinstance(value, str):
        text = value.lstrip("+-")
        parts = DURATION.findall(text)
        if not (text == "0" or (parts and "".join(number + unit for number, unit in parts) == text)):
            raise Refusal(400, f'time: invalid duration "{value}"')
        seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
        value = -seconds if value.startswith("-") else seconds
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(400, f"json: cannot unmarshal {type(value).__name__} into Go struct field .keep_alive")
    return math.inf if value < 0 else float(value)


def native(body: dict[str, Any], *, chat: bool) -> Asked:
    """A request of ``/api/chat`` or ``/api/generate``. Raises ``Refusal``."""
    options = body.get("options") or {}
    said = (
        _messages(body)
        if chat
        else [("system", str(body.get("system") or "")), ("user", str(body.get("prompt") or ""))]
    )
    think = body.get("think")
    return Asked(
        model=named(body),
        text=_last(said),
        prompt="\n".join(text for _, text in said),
        promptless=not said if chat else not body.get("prompt"),
        stream=body.get("stream") is not False,
        keep=keep_alive(body.get("keep_alive")),
        num_ctx=_whole(options.get("num_ctx")),
        num_predict=_whole(options.get("num_predict")),
        truncate=body.get("truncate") is not False,
        think=think if think is None else bool(think),
        tools=_offered(body),
        format=body.get("format") or None,
        logprobs=int(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
    )


def openai(body: dict[str, Any], *, chat: bool) -> Asked:
    """A request of ``/v1``: it can't say ``num_ctx`` or ``keep_alive``, and sets the latter back to five minutes."""
    said = _messages(body) if chat else [("user", _text(body.get("prompt")))]
    shape = body.get("response_format") or {}
    schema = (shape.get("json_schema") or {}).get("schema") if shape.get("type") == "json_schema" else None
    return Asked(
        model=named(body),
        text=_last(said),
        prompt="\n".join(text for _, text in said),
        promptless=False,
        stream=body.get("stream") is True,
        num_predict=_whole(
            body.get("max_completion_tokens") or body.get("max_tokens") or body.get("max_output_tokens")
        ),
        think=False if body.get("reasoning_effort") == "none" else None,
        tools=_offered(body),
        format=schema or ("json" if shape.get("type") == "json_object" else None),
        usage=bool((body.get("stream_options") or {}).get("include_usage")),
    )


def named(body: dict[str, Any]) -> str:
    """The model of a request; ``name`` is the old field for it. Raises ``Refusal``."""
    name = body.get("model") or body.get("name")
    if not name:
        raise Refusal(400, "model is required")
    return str(name)


def _messages(body: dict[str, Any]) -> list[tuple[str, str]]:
    messages = body.get("messages") or []
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise Refusal(400, "json: cannot unmarshal into Go struct field ChatRequest.messages of type []api.Message")
    return [(str(message.get("role", "")), _text(message.get("content"))) for message in messages]


def _text(content: Any) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, list):
        return "\n".join(part if isinstance(part, str) else str(part.get("text") or "") for part in content)
    return "" if content is None else str(content)


def _offered(body: dict[str, Any]) -> list[Any]:
    """The tools, until one of them has answered: an agent would go round for ever with a model that calls again."""
    messages = body.get("messages") or []
    has_answered = any(isinstance(message, dict) and message.get("role") == "tool" for message in messages)
    return [] if has_answered else body.get("tools") or []


def _last(said: list[tuple[str, str]]) -> str:
    """The last thing the user said, unless something else (a tool's answer) came after it."""
    return said[-1][1] if said and said[-1][0] == "user" else ""


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
