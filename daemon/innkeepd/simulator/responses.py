"""OpenAI's newer dialect, ``/v1/responses``: one object, or the typed events that its clients insist on. Text only."""

from typing import Any

from innkeepd.simulator.answer import EVENTS, V1_JSON, encode
from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import sha
from innkeepd.simulator.dialect import Said, Tally
from innkeepd.simulator.wall import Wall


def as_chat(body: dict[str, Any]) -> dict[str, Any]:
    """The request as one of ``/v1/chat/completions``."""
    given = body.get("input")
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else list(given or [])
    if body.get("instructions"):
        messages.insert(0, {"role": "system", "content": body["instructions"]})
    tools = [{"type": "function", "function": tool} for tool in body.get("tools") or [] if isinstance(tool, dict)]
    return {**body, "messages": messages, "tools": tools}


class Responses:
    """Events carry a running number; the text is told again, whole, where it ends."""

    stream_type = EVENTS
    plain_type = V1_JSON

    def __init__(self, asked: Asked, wall: Wall, body: dict[str, Any]) -> None:
        self._asked = asked
        self._wall = wall
        self._body = body
        self._created = int(wall.epoch())
        mark = int(sha(f"{asked.prompt} {self._created}")[:8], 16) % 1_000_000
        self._id, self._item = f"resp_{mark}", f"msg_{mark}"
        self._text = ""
        self._number = 0
        self._begun = False

    def piece(self, said: Said) -> bytes:
        """The opening events before the first piece, then a delta; thinking is not told in this dialect."""
        where = {"item_id": self._item, "output_index": 0, "content_index": 0}
        opening = self._opening()
        if not said.text:
            return opening
        self._text += said.text
        return opening + self._event("response.output_text.delta", where | {"delta": said.text, "logprobs": []})

    def finish(self, tally: Tally) -> bytes:
        """The closing events."""
        where, part = {"item_id": self._item, "output_index": 0, "content_index": 0}, self._part()
        return b"".join(
            (
                self._opening(),
                self._event("response.output_text.done", where | {"text": self._text, "logprobs": []}),
                self._event("response.content_part.done", where | {"part": part}),
                self._event(
                    "response.output_item.done", {"output_index": 0, "item": self._message("completed", [part])}
                ),
                self._event("response.completed", {"response": self._object("completed", tally)}),
            )
        )

    def whole(self, said: Said, tally: Tally) -> bytes:
        """The object."""
        self._text = said.text
        return encode(self._object("completed", tally))

    def broken(self, text: str) -> bytes:
        """A failed response."""
        failed = self._object("failed", None) | {"error": {"code": "server_error", "message": text}}
        return self._event("response.failed", {"response": failed})

    def _opening(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        begun = {"response": self._object("in_progress", None)}
        where = {"item_id": self._item, "output_index": 0, "content_index": 0}
        return b"".join(
            (
                self._event("response.created", begun),
                self._event("response.in_progress", begun),
                self._event(
                    "response.output_item.added", {"output_index": 0, "item": self._message("in_progress", [])}
                ),
                self._event("response.content_part.added", where | {"part": self._part() | {"text": ""}}),
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
            "output": [self._message(status, [self._part()])] if tally else [], "error": None,
            "tools": self._body.get("tools") or [], "tool_choice": "auto", "truncation": "disabled",
            "parallel_tool_calls": True, "text": {"format": {"type": "text"}}, "top_p": 1, "presence_penalty": 0,
            "frequency_penalty": 0, "top_logprobs": 0, "temperature": 1, "reasoning": None, "usage": usage,
            "max_output_tokens": self._body.get("max_output_tokens"), "max_tool_calls": None, "store": False,
            "background": False, "service_tier": "default", "metadata": {}, "safety_identifier": None,
            "prompt_cache_key": None,
        }  # fmt: skip
