"""A request as the simulated engine understands it, whichever API it came by."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from innkeepd.simulator.faults import Refusal

KEEP_ALIVE = 300.0
"""Ollama's default keep-alive, in seconds."""

UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")

MARKS = {"system": "\x01", "developer": "\x02", "assistant": "\x03", "tool": "\x04"}
"""What a template writes before a message of each role, in one sign; a new line for others."""

INTEGERS = frozenset({"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_predict", "num_keep", "seed"})
"""Options that must be whole numbers."""


class Asked(Struct, frozen=True):
    """One question.

    ``text`` is the last user message, ``prompt`` all of it, tools included; ``messages`` are its parts. ``promptless``
    means load (or unload, with ``keep`` 0). ``keep``: None leaves a loaded runner's ``keep_alive`` as it is.
    ``offered``: all tools, as the prompt has them; ``tools``: those that may be called now. ``effort``: asks for
    thinking under ``/v1``. ``options``: of ``/api``, as they came.
    """

    model: str
    text: str
    prompt: str
    promptless: bool
    stream: bool
    keep: float | None = None
    num_predict: int | None = None
    truncate: bool = True
    think: bool | None = None
    tools: list[Any] = []
    format: Any = None
    logprobs: int | None = None
    usage: bool = True
    messages: list[tuple[str, str]] = []
    offered: list[Any] = []
    options: dict[str, Any] = {}
    shift: bool | None = None
    images: bool = False
    effort: bool = False
    is_v1: bool = False
    is_chat: bool = True

    @property
    def num_keep(self) -> int:
        """Tokens that stay in front of a cut; Ollama's default is 4."""
        return _whole(self.options.get("num_keep")) or 4


def keep_alive(value: Any) -> float | None:
    """Seconds of a ``keep_alive``: a number, or a duration like ``"5m"`` or ``"1h30m"``; negative is for ever.

    None where it is absent. Raises ``Refusal``.
    """
    if value is None:
        return None
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
    options = _options(body)
    said = (
        _messages(body)
        if chat
        else [("system", str(body.get("system") or "")), ("user", str(body.get("prompt") or ""))]
    )
    think, offered = body.get("think"), body.get("tools") or []
    return Asked(
        model=named(body),
        text=_last(said),
        prompt=joined(said, offered),
        promptless=not said if chat else not body.get("prompt"),
        stream=body.get("stream") is not False,
        keep=keep_alive(body.get("keep_alive")),
        num_predict=_whole(options.get("num_predict")),
        truncate=body.get("truncate") is not False,
        think=think if think is None else bool(think),
        tools=_callable(body),
        format=body.get("format") or None,
        logprobs=int(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
        messages=said,
        offered=offered,
        options=options,
        shift=body["shift"] if isinstance(body.get("shift"), bool) else None,
        images=bool(body.get("images")) or _shows_an_image(body),
        is_chat=chat,
    )


def openai(body: dict[str, Any], *, chat: bool) -> Asked:
    """A request of ``/v1``: it can't say ``num_ctx``, ``keep_alive``, ``truncate`` or ``shift``."""
    said = _messages(body, apart=True) if chat else [("user", _text(body.get("prompt")))]
    shape = body.get("response_format") or {}
    schema = (shape.get("json_schema") or {}).get("schema") if shape.get("type") == "json_schema" else None
    offered, effort = body.get("tools") or [], body.get("reasoning_effort")
    return Asked(
        model=named(body),
        text=_last(_messages(body) if chat else said),
        prompt=joined(said, offered),
        promptless=False,
        stream=body.get("stream") is True,
        num_predict=_whole(
            body.get("max_completion_tokens") or body.get("max_tokens") or body.get("max_output_tokens")
        ),
        think=False if effort == "none" else None,
        tools=_callable(body),
        format=schema or ("json" if shape.get("type") == "json_object" else None),
        usage=bool((body.get("stream_options") or {}).get("include_usage")),
        messages=said,
        offered=offered,
        images=_shows_an_image(body),
        effort=effort not in (None, "none"),
        is_v1=True,
        is_chat=chat,
    )


def joined(messages: Sequence[tuple[str, str]], tools: Sequence[Any]) -> str:
    """A prompt as a template renders it, roughly: the tools first, then the messages, a mark before each."""
    front = json.dumps([_rendered(tool) for tool in tools], ensure_ascii=False) if tools else ""
    said = "".join(f"{MARKS.get(role, chr(10))}{text}" for role, text in messages)
    return front + said if front else said[1:]


def _rendered(tool: Any) -> Any:
    """A tool as Ollama decodes it: what it does not know is left out."""
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        return tool
    known: dict[str, Any] = {
        name: function.get(name) or empty for name, empty in (("name", ""), ("description", ""), ("parameters", {}))
    }
    return {"type": tool.get("type") or "function", "function": known}


def named(body: dict[str, Any]) -> str:
    """The model of a request; ``name`` is the old field for it. Raises ``Refusal``."""
    name = body.get("model") or body.get("name")
    if not name:
        raise Refusal(400, "model is required")
    return str(name)


def _options(body: dict[str, Any]) -> dict[str, Any]:
    """The options of a native request. Raises ``Refusal`` 500 where one has the wrong type."""
    options = body.get("options")
    if not isinstance(options, dict):
        return {}
    for name in INTEGERS & options.keys():
        if isinstance(options[name], str | list | dict | bool):
            raise Refusal(500, f'option "{name}" must be of type integer')
    return options


def _messages(body: dict[str, Any], *, apart: bool = False) -> list[tuple[str, str]]:
    """Roles and texts. ``apart``: each part of a message is one of its own, as under ``/v1/chat/completions``."""
    messages = body.get("messages") or []
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise Refusal(400, "json: cannot unmarshal into Go struct field ChatRequest.messages of type []api.Message")
    parts = [each for message in messages for each in (_apart(message) if apart else [message])]
    return [(str(message.get("role", "")), spoken(message)) for message in parts]


def _apart(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Parts as messages of their own; the calls stay with the last one."""
    content = message.get("content")
    if not isinstance(content, list) or not content:
        return [message]
    parts = [{"role": message.get("role"), "content": [part]} for part in content]
    return [*parts[:-1], message | parts[-1]]


def spoken(message: dict[str, Any]) -> str:
    """A message as the template renders it: thinking, text, calls of tools."""
    thinking = str(message.get("thinking") or message.get("reasoning") or "")
    calls = [_called(call) for call in message.get("tool_calls") or []]
    text = f"{thinking}\n{_text(message.get('content'))}" if thinking else _text(message.get("content"))
    return f"{text}\n{json.dumps(calls, ensure_ascii=False)}" if calls else text


def _called(call: Any) -> list[Any]:
    """Name and arguments of a call; OpenAI's are JSON in a string."""
    function = call.get("function") if isinstance(call, dict) else None
    function = function if isinstance(function, dict) else {}
    given = function.get("arguments")
    try:
        return [function.get("name"), json.loads(given) if isinstance(given, str) else given or {}]
    except ValueError:
        raise Refusal(400, "invalid tool call arguments") from None


def _text(content: Any) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, list):
        return "\n".join(part if isinstance(part, str) else str(part.get("text") or "") for part in content)
    return "" if content is None else str(content)


def _shows_an_image(body: dict[str, Any]) -> bool:
    """Whether a message has an image, in Ollama's shape or in OpenAI's."""
    messages = [each for each in body.get("messages") or [] if isinstance(each, dict)]
    parts = [part for each in messages if isinstance(each.get("content"), list) for part in each["content"]]
    kinds = {part.get("type") for part in parts if isinstance(part, dict)}
    return bool(kinds & {"image_url", "input_image", "image"}) or any(each.get("images") for each in messages)


def _callable(body: dict[str, Any]) -> list[Any]:
    """The tools, until one of them has answered: an agent would go round for ever with a model that calls again."""
    messages = body.get("messages") or []
    has_answered = any(isinstance(message, dict) and message.get("role") == "tool" for message in messages)
    return [] if has_answered else body.get("tools") or []


def _last(said: list[tuple[str, str]]) -> str:
    """The last user message, unless a tool's result or an answer follows it; agents put instructions behind it."""
    spoken = [each for each in said if each[0] not in ("system", "developer")]
    return spoken[-1][1] if spoken and spoken[-1][0] == "user" else ""


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
