"""Anthropic's dialect, ``/v1/messages``: one object, or its events."""

import json
from collections.abc import Iterator
from typing import Any

from innkeepd.simulator.answer import EVENTS, V1_JSON, encode
from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import sha
from innkeepd.simulator.dialect import Said, Tally
from innkeepd.simulator.release import Release
from innkeepd.simulator.text import count


def as_chat(body: dict[str, Any], *, results_first: bool) -> dict[str, Any]:
    """The request as one of ``/v1/chat/completions``. ``results_first``: a tool's results precede the text."""
    messages = [each for message in body.get("messages") or [] for each in _messages(message, results_first)]
    if body.get("system"):
        messages.insert(0, {"role": "system", "content": _text(body["system"])})
    tools = [
        {"function": {"name": tool.get("name"), "parameters": tool.get("input_schema"), **_described(tool)}}
        for tool in body.get("tools") or []
        if isinstance(tool, dict)
    ]
    return {**body, "messages": messages, "tools": tools}


def _described(tool: dict[str, Any]) -> dict[str, Any]:
    return {"description": tool["description"]} if tool.get("description") else {}


def _messages(message: Any, results_first: bool) -> Iterator[Any]:
    """A message as OpenAI has it: calls of tools are a field of their own, their results messages of their own."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        yield message
        return
    parts = [part for part in content if isinstance(part, dict)]
    results = [
        {"role": "tool", "content": _text(part.get("content"))} for part in parts if part.get("type") == "tool_result"
    ]
    calls = [
        {"function": {"name": part.get("name"), "arguments": part.get("input")}}
        for part in parts
        if part.get("type") == "tool_use"
    ]
    thinking = "".join(str(part.get("thinking")) for part in parts if part.get("type") == "thinking")
    shows = any(part.get("type") == "image" for part in parts)
    text, first = _text(content), results_first and message.get("role") == "user"
    if first:
        yield from results
    if text or calls or thinking or shows:
        yield {"role": message.get("role"), "content": text, "tool_calls": calls, "thinking": thinking, "images": shows}
    if not first:
        yield from results


def _text(content: Any) -> str:
    """The texts of some blocks, nothing between them."""
    if isinstance(content, list):
        return "".join(str(part["text"]) for part in content if isinstance(part, dict) and part.get("type") == "text")
    return "" if content is None else str(content)


class Messages:
    """Blocks of content, numbered: thinking, then text, then calls of tools."""

    stream_type = EVENTS
    plain_type = V1_JSON

    def __init__(self, asked: Asked, release: Release) -> None:
        self._asked = asked
        self._release = release
        self._id = f"msg_{sha(asked.prompt)[:24]}"
        self._block = -1
        self._kind = ""
        self._called = False

    def piece(self, said: Said) -> bytes:
        """The start before the first piece, a new block where the kind changes, then the delta."""
        if said.tool_calls:
            return (b"" if self._kind else self._start()) + b"".join(map(self._call, said.tool_calls))
        kind, text = ("thinking", said.thinking) if said.thinking is not None else ("text", said.text)
        opening = b"" if self._kind else self._start()
        if kind != self._kind:
            opening += self._open(kind, {"type": kind, kind: ""})
        delta = {"index": self._block, "delta": {"type": f"{kind}_delta", kind: text}}
        return opening + _event("content_block_delta", delta)

    def finish(self, tally: Tally) -> bytes:
        """The end of the block and of the message."""
        ending = {"delta": {"stop_reason": self._reason(tally)}, "usage": _usage(tally)}
        start = b"" if self._kind else self._start()
        return start + self._stop_block() + _event("message_delta", ending) + _event("message_stop", {})

    def whole(self, said: Said, tally: Tally) -> bytes:
        """The object; without text its content is null, as Ollama has it."""
        self._called = bool(said.tool_calls)
        document = {"content": _blocks(said), "stop_reason": self._reason(tally), "usage": _usage(tally)}
        return encode(self._head() | document)

    def broken(self, text: str) -> bytes:
        """An error event as the last event; none at all since 0.30."""
        if not self._release.tells_crash_under_v1:
            return b""
        return _event("error", {"error": {"type": "api_error", "message": text}})

    def lost(self, said: Said | None) -> bytes:
        """No ``stop_reason``, and nothing counted."""
        head = self._head() if said else self._head() | {"model": ""}
        usage = {"input_tokens": 0, "output_tokens": 0}
        return encode(head | {"content": _blocks(said) if said else None, "usage": usage})

    def _head(self) -> dict[str, Any]:
        return {"id": self._id, "type": "message", "role": "assistant", "model": self._asked.model}

    def _start(self) -> bytes:
        usage = {"input_tokens": count(self._asked.prompt), "output_tokens": 0}
        return _event("message_start", {"message": self._head() | {"content": [], "usage": usage}})

    def _open(self, kind: str, block: dict[str, Any]) -> bytes:
        """End the block before, and begin one."""
        ending = self._stop_block()
        self._block, self._kind = self._block + 1, kind
        return ending + _event("content_block_start", {"index": self._block, "content_block": block})

    def _call(self, call: dict[str, Any]) -> bytes:
        """One call of a tool, its arguments in one piece."""
        self._called = True
        given = json.dumps(call["function"]["arguments"], ensure_ascii=False)
        opening = self._open("tool_use", _tool_use(call) | {"input": {}})
        delta = {"index": self._block, "delta": {"type": "input_json_delta", "partial_json": given}}
        return opening + _event("content_block_delta", delta)

    def _stop_block(self) -> bytes:
        return _event("content_block_stop", {"index": self._block}) if self._kind else b""

    def _reason(self, tally: Tally) -> str:
        return "tool_use" if self._called else "max_tokens" if tally.reason == "length" else "end_turn"


def _blocks(said: Said) -> list[dict[str, Any]] | None:
    thinking = [{"type": "thinking", "thinking": said.thinking}] if said.thinking else []
    spoken = [{"type": "text", "text": said.text}] if said.text else []
    return thinking + spoken + [_tool_use(call) for call in said.tool_calls or []] or None


def _tool_use(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": function["arguments"]}


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + encode({"type": kind, **fields}) + b"\n\n"


def _usage(tally: Tally) -> dict[str, int]:
    return {"input_tokens": tally.prompt_tokens, "output_tokens": tally.tokens}
