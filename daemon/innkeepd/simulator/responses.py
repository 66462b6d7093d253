"""OpenAI's newer dialect, ``/v1/responses``: one object, or the typed events that its clients insist on.

This dialect has no thinking.
"""

import json
from typing import Any

from innkeepd.simulator.answer import EVENTS, V1_JSON, encode
from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import sha
from innkeepd.simulator.dialect import Said, Tally
from innkeepd.simulator.openai import NEVER
from innkeepd.simulator.release import Release
from innkeepd.simulator.wall import Wall


def as_chat(body: dict[str, Any]) -> dict[str, Any]:
    """The request as one of ``/v1/chat/completions``."""
    given = body.get("input")
    spoken = [{"role": "user", "content": given}] if isinstance(given, str) else list(given or [])
    messages: list[Any] = [{"role": "system", "content": body["instructions"]}] if body.get("instructions") else []
    for item in spoken:
        message = _message(item)
        follows = bool(messages) and isinstance(item, dict) and item.get("type") == "function_call"
        if follows and messages[-1].get("role") == "assistant":  # calls join what the assistant said before
            calls = messages[-1].get("tool_calls") or []
            messages[-1] = messages[-1] | {"tool_calls": calls + message["tool_calls"]}
        else:
            messages.append(message)
    tools = [
        {"type": "function", "function": _sorted(tool)} for tool in body.get("tools") or [] if isinstance(tool, dict)
    ]
    return {**body, "messages": messages, "tools": tools, "response_format": _response_format(body)}


def _sorted(value: Any) -> Any:
    """A schema as Go writes a map: by its keys."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _message(item: Any) -> Any:
    """An item of the input as a message: calls of tools and their results are items of their own here."""
    kind = item.get("type") if isinstance(item, dict) else None
    if kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        return {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}
    if kind == "function_call_output":
        return {"role": "tool", "content": item.get("output")}
    content = item.get("content") if isinstance(item, dict) else None
    if not isinstance(content, list):
        return item
    parts = [part for part in content if isinstance(part, dict)]
    text = "".join(str(part.get("text") or "") for part in parts)
    return {**item, "content": text, "images": any(part.get("type") == "input_image" for part in parts)}


def _response_format(body: dict[str, Any]) -> dict[str, Any]:
    """``text.format`` as ``/v1/chat/completions`` has it."""
    shape = (body.get("text") or {}).get("format") or {}
    if shape.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": {"schema": shape.get("schema")}}
    return {"type": shape.get("type")}


class Responses:
    """Events are numbered; the last ones repeat the whole text."""

    stream_type = EVENTS
    plain_type = V1_JSON

    def __init__(self, asked: Asked, wall: Wall, body: dict[str, Any], release: Release) -> None:
        self._release = release
        self._asked = asked
        self._wall = wall
        self._body = body
        self._created = int(wall.epoch())
        mark = int(sha(f"{asked.prompt} {self._created}")[:8], 16) % 1_000_000
        self._id, self._item = f"resp_{mark}", f"msg_{mark}"
        self._text = ""
        self._number = 0
        self._begun = False
        self._has_text = False
        self._calls: list[dict[str, Any]] = []

    def piece(self, said: Said) -> bytes:
        """The opening events before the first piece, then a delta, or a call of a tool in one piece."""
        event = self._opening()
        if said.text:
            where = {"item_id": self._item, "output_index": 0, "content_index": 0}
            event += self._text_opening()
            self._text += said.text
            event += self._event("response.output_text.delta", where | {"delta": said.text, "logprobs": []})
        return event + b"".join(map(self._call, said.tool_calls or []))

    def finish(self, tally: Tally) -> bytes:
        """The closing events."""
        ending = b"" if self._calls and not self._has_text else self._text_opening() + self._text_ending()
        completed = self._event("response.completed", {"response": self._object("completed", tally)})
        return self._opening() + ending + completed

    def _text_ending(self) -> bytes:
        where, part = {"item_id": self._item, "output_index": 0, "content_index": 0}, self._part()
        return b"".join(
            (
                self._event("response.output_text.done", where | {"text": self._text, "logprobs": []}),
                self._event("response.content_part.done", where | {"part": part}),
                self._event(
                    "response.output_item.done", {"output_index": 0, "item": self._message("completed", [part])}
                ),
            )
        )

    def whole(self, said: Said, tally: Tally) -> bytes:
        """The object."""
        self._text, self._has_text = said.text, bool(said.text)
        self._calls = [_function_call(call) for call in said.tool_calls or []]
        return encode(self._object("completed", tally))

    def lost(self, said: Said | None) -> bytes:
        """Told as completed, with the text so far and nothing counted."""
        self._text = said.text if said else ""
        event = self._object("completed", Tally("stop", 0, 0, 0.0, 0.0, 0.0, 0.0))
        return encode(event if said else event | {"created_at": NEVER})

    def broken(self, text: str) -> bytes:
        """A failed response; nothing since 0.30."""
        if not self._release.tells_crash_under_v1:
            return b""
        failed = self._object("failed", None) | {"error": {"code": "server_error", "message": text}}
        return self._event("response.failed", {"response": failed})

    def _opening(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        begun = {"response": self._object("in_progress", None)}
        return self._event("response.created", begun) + self._event("response.in_progress", begun)

    def _text_opening(self) -> bytes:
        if self._has_text:
            return b""
        self._has_text = True
        where = {"item_id": self._item, "output_index": 0, "content_index": 0}
        item = {"output_index": 0, "item": self._message("in_progress", [])}
        added = self._event("response.output_item.added", item)
        return added + self._event("response.content_part.added", where | {"part": self._part() | {"text": ""}})

    def _call(self, call: dict[str, Any]) -> bytes:
        """The events of one call of a tool."""
        item, index = _function_call(call), len(self._calls) + int(self._has_text)
        self._calls.append(item)
        where = {"item_id": item["id"], "output_index": index}
        begun = {"output_index": index, "item": item | {"status": "in_progress", "arguments": ""}}
        return b"".join(
            (
                self._event("response.output_item.added", begun),
                self._event("response.function_call_arguments.delta", where | {"delta": item["arguments"]}),
                self._event("response.function_call_arguments.done", where | {"arguments": item["arguments"]}),
                self._event("response.output_item.done", {"output_index": index, "item": item}),
            )
        )

    def _event(self, kind: str, fields: dict[str, Any]) -> bytes:
        record = encode({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + record + b"\n\n"

    def _part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": self._text, "annotations": [], "logprobs": []}

    def _message(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": self._item, "type": "message", "status": status, "role": "assistant", "content": content}

    def _object(self, status: str, tally: Tally | None) -> dict[str, Any]:
        usage = tally and {
            "input_tokens": tally.prompt_tokens, "output_tokens": tally.tokens,
            "total_tokens": tally.prompt_tokens + tally.tokens, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }  # fmt: skip
        return {
            "id": self._id, "object": "response", "created_at": self._created,
            "completed_at": int(self._wall.epoch()) if tally else None, "status": status, "incomplete_details": None,
            "model": self._asked.model, "previous_response_id": None, "instructions": self._body.get("instructions"),
            "output": self._output(status) if tally else [], "error": None,
            "tools": self._body.get("tools") or [], "tool_choice": "auto", "truncation": "disabled",
            "parallel_tool_calls": True, "text": self._format(), "top_p": 1, "presence_penalty": 0,
            "frequency_penalty": 0, "top_logprobs": 0, "temperature": 1, "reasoning": None, "usage": usage,
            "max_output_tokens": self._body.get("max_output_tokens"), "max_tool_calls": None, "store": False,
            "background": False, "service_tier": "default", "metadata": {}, "safety_identifier": None,
            "prompt_cache_key": None,
        }  # fmt: skip

    def _output(self, status: str) -> list[dict[str, Any]]:
        """The text, unless there are calls of tools alone; then those."""
        spoken = [] if self._calls and not self._text else [self._message(status, [self._part()])]
        return spoken + self._calls

    def _format(self) -> dict[str, Any]:
        given = self._body.get("text")
        return given if isinstance(given, dict) and given.get("format") else {"format": {"type": "text"}}


def _function_call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {
        "id": f"fc_{call['id']}", "type": "function_call", "status": "completed", "call_id": call["id"],
        "name": function["name"], "arguments": json.dumps(function["arguments"], ensure_ascii=False),
    }  # fmt: skip
