"""Anthropic's dialect, ``/v1/messages``: one object, or its events. Text and thinking only."""

from typing import Any

from innkeepd.simulator.answer import EVENTS, V1_JSON, encode
from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import sha
from innkeepd.simulator.dialect import Said, Tally


def as_chat(body: dict[str, Any]) -> dict[str, Any]:
    """The request as one of ``/v1/chat/completions``."""
    messages = list(body.get("messages") or [])
    if body.get("system"):
        messages.insert(0, {"role": "system", "content": body["system"]})
    tools = [
        {"function": {"name": tool.get("name"), "parameters": tool.get("input_schema")}}
        for tool in body.get("tools") or []
        if isinstance(tool, dict)
    ]
    return {**body, "messages": messages, "tools": tools}


class Messages:
    """Blocks of content, numbered; a block of thinking comes before the block of text."""

    stream_type = EVENTS
    plain_type = V1_JSON

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._id = f"msg_{sha(asked.prompt)[:24]}"
        self._block = -1
        self._kind = ""

    def piece(self, said: Said) -> bytes:
        """The start before the first piece, a new block where the kind changes, then the delta."""
        kind, text = ("thinking", said.thinking) if said.thinking is not None else ("text", said.text)
        opening = b"" if self._kind else self._start()
        if kind != self._kind:
            opening += self._stop_block()
            self._block, self._kind = self._block + 1, kind
            block = {"index": self._block, "content_block": {"type": kind, kind: ""}}
            opening += _event("content_block_start", block)
        delta = {"index": self._block, "delta": {"type": f"{kind}_delta", kind: text}}
        return opening + _event("content_block_delta", delta)

    def finish(self, tally: Tally) -> bytes:
        """The end of the block and of the message."""
        ending = {"delta": {"stop_reason": _reason(tally), "stop_sequence": None}, "usage": _usage(tally)}
        start = b"" if self._kind else self._start()
        return start + self._stop_block() + _event("message_delta", ending) + _event("message_stop", {})

    def whole(self, said: Said, tally: Tally) -> bytes:
        """The object; without text its content is null, as Ollama has it."""
        thinking = [{"type": "thinking", "thinking": said.thinking}] if said.thinking else []
        content = thinking + ([{"type": "text", "text": said.text}] if said.text else [])
        return encode(
            self._head() | {"content": content or None, "stop_reason": _reason(tally), "usage": _usage(tally)}
        )

    def broken(self, text: str) -> bytes:
        """An error event, after which nothing comes."""
        return _event("error", {"error": {"type": "api_error", "message": text}})

    def _head(self) -> dict[str, Any]:
        return {"id": self._id, "type": "message", "role": "assistant", "model": self._asked.model}

    def _start(self) -> bytes:
        usage = {"input_tokens": 0, "output_tokens": 0}
        return _event("message_start", {"message": self._head() | {"content": [], "stop_reason": None, "usage": usage}})

    def _stop_block(self) -> bytes:
        return _event("content_block_stop", {"index": self._block}) if self._kind else b""


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + encode({"type": kind, **fields}) + b"\n\n"


def _reason(tally: Tally) -> str:
    return "max_tokens" if tally.reason == "length" else "end_turn"


def _usage(tally: Tally) -> dict[str, int]:
    return {"input_tokens": tally.prompt_tokens, "output_tokens": tally.tokens}
