"""OpenAI's dialect of the same answers: ``/v1/chat/completions`` and ``/v1/completions``."""

import json
from typing import Any

from innkeepd.simulator.answer import EVENTS, V1_JSON, encode
from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import sha
from innkeepd.simulator.dialect import Said, Tally
from innkeepd.simulator.release import Release
from innkeepd.simulator.wall import Wall

NEVER = -62_135_596_800
"""Go's zero time in seconds since 1970."""


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + encode(value) + b"\n\n"


class OpenAI:
    """Server-sent events, or one object. The id stays the same through a stream."""

    stream_type = EVENTS
    plain_type = V1_JSON

    def __init__(self, asked: Asked, wall: Wall, release: Release) -> None:
        self._asked = asked
        self._chat = chat = asked.is_chat
        self._release = release
        self._created = int(wall.epoch())
        number = int(sha(f"{asked.prompt} {self._created}")[:4], 16) % 1000
        self._id = f"{'chatcmpl' if chat else 'cmpl'}-{number}"
        self._called = False
        self._begun = False

    def piece(self, said: Said) -> bytes:
        """One chunk."""
        self._called = self._called or bool(said.tool_calls)
        chunk = event(self._chunk(self._choice(said, None)))
        self._begun = True
        return chunk

    def finish(self, tally: Tally) -> bytes:
        """The closing chunk, the usage where it was asked for, and the end mark."""
        usage = (
            event(self._head(stream=True) | {"choices": [], "usage": self._usage(tally)}) if self._asked.usage else b""
        )
        last = self._choice(Said(), self._reason(tally))
        if self._chat and self._release.role_once:
            last["delta"] = {}
        return event(self._chunk(last)) + usage + b"data: [DONE]\n\n"

    def whole(self, said: Said, tally: Tally) -> bytes:
        """The object of an answer that is not streamed."""
        self._called = bool(said.tool_calls)
        choice = self._indexed(self._said("message", said), self._reason(tally))
        return encode(self._head(stream=False) | {"choices": [choice], "usage": self._usage(tally)})

    def broken(self, text: str) -> bytes:
        """The error as an event, and no end mark; since 0.30 an empty chunk without a model instead."""
        if not self._release.tells_crash_under_v1:
            return event(self._chunk(self._choice(Said(), None)) | {"model": ""})
        return event({"error": {"message": text, "type": "api_error", "param": None, "code": None}})

    def lost(self, said: Said | None) -> bytes:
        """No ``finish_reason``, and nothing counted."""
        head = self._head(stream=False)
        if said is None:
            head |= {"created": NEVER, "model": ""}
        spoken = self._said("message", said or Said())
        if said is None and self._chat:
            spoken = {"message": {"role": "", "content": ""}}
        choice = self._indexed(spoken, None)
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return encode(head | {"choices": [choice], "usage": usage})

    def _head(self, *, stream: bool) -> dict[str, Any]:
        kind = ("chat.completion.chunk" if stream else "chat.completion") if self._chat else "text_completion"
        return {
            "id": self._id, "object": kind, "created": self._created, "model": self._asked.model,
            "system_fingerprint": "fp_ollama",
        }  # fmt: skip

    def _chunk(self, choice: dict[str, Any]) -> dict[str, Any]:
        return self._head(stream=True) | {"choices": [choice]}

    def _choice(self, said: Said, reason: str | None) -> dict[str, Any]:
        return self._indexed(self._said("delta", said), reason)

    def _indexed(self, spoken: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": 0, **spoken, "finish_reason": reason}

    def _said(self, key: str, said: Said) -> dict[str, Any]:
        if not self._chat:
            return {"text": said.text}
        thinking = {} if said.thinking is None else {"reasoning": said.thinking}
        calls = {"tool_calls": [_call(call) for call in said.tool_calls]} if said.tool_calls else {}
        role = {} if self._begun and self._release.role_once else {"role": "assistant"}
        return {key: {**role, "content": said.text, **thinking, **calls}}

    def _reason(self, tally: Tally) -> str:
        return "tool_calls" if self._called else tally.reason

    def _usage(self, tally: Tally) -> dict[str, int]:
        spent = {"prompt_tokens": tally.prompt_tokens, "completion_tokens": tally.tokens}
        return spent | {"total_tokens": tally.prompt_tokens + tally.tokens}


def _call(call: dict[str, Any]) -> dict[str, Any]:
    """A tool call with its arguments as text, as OpenAI has them."""
    function = call["function"]
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    return {
        "id": call["id"], "index": function["index"], "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }  # fmt: skip
