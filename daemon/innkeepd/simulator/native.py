"""Ollama's own lines: ``/api/chat`` and ``/api/generate``."""

from typing import Any

from innkeepd.simulator.answer import JSON, LINES, encode
from innkeepd.simulator.asked import Asked
from innkeepd.simulator.dialect import Said, Tally
from innkeepd.simulator.wall import Wall


class Native:
    """NDJSON. Names the model as the client did, without adding a tag; ``remote``: fields of another host's model."""

    stream_type = LINES
    plain_type = JSON

    def __init__(self, asked: Asked, wall: Wall, *, remote: dict[str, str] | None = None) -> None:
        self._asked = asked
        self._wall = wall
        self._remote = remote or {}

    def piece(self, said: Said) -> bytes:
        """A line with ``done`` false."""
        record = self._record(said, done=False)
        if self._asked.logprobs is not None and said.text:
            record["logprobs"] = [self._logprob(said.text, self._asked.logprobs)]
        return encode(record) + b"\n"

    def finish(self, tally: Tally) -> bytes:
        """The last line, without text and with all counts."""
        return encode(self._record(Said(), done=True) | self._ending(tally)) + b"\n"

    def whole(self, said: Said, tally: Tally) -> bytes:
        """One record."""
        return encode(self._record(said, done=True) | self._ending(tally))

    def broken(self, text: str) -> bytes:
        """The line that an honest client raises on."""
        return encode({"error": text}) + b"\n"

    def lost(self, said: Said | None) -> bytes:
        """A record that is not done; Go's zero values where there is no text."""
        if said is not None:
            return encode(self._record(said, done=False))
        spoken = {"message": {"role": "", "content": ""}} if self._asked.is_chat else {"response": ""}
        return encode({"model": "", "created_at": "0001-01-01T00:00:00Z", **spoken, "done": False})

    def idle(self, reason: str) -> dict[str, Any]:
        """The answer to a request without a prompt: ``load`` or ``unload``."""
        return self._record(Said(), done=True) | {"done_reason": reason}

    def _record(self, said: Said, *, done: bool) -> dict[str, Any]:
        head = {"model": self._asked.model, **self._remote, "created_at": self._wall.stamp()}
        thinking = {} if said.thinking is None else {"thinking": said.thinking}
        calls = {"tool_calls": said.tool_calls} if said.tool_calls else {}
        if self._asked.is_chat:
            return head | {"message": {"role": "assistant", "content": said.text, **thinking, **calls}, "done": done}
        return head | {"response": said.text, **thinking, "done": done}

    def _ending(self, tally: Tally) -> dict[str, Any]:
        context = {} if self._asked.is_chat else {"context": list(self._asked.prompt.encode())[:64]}
        return {
            "done_reason": tally.reason, **context, "total_duration": int(tally.total * 1e9),
            "load_duration": int(tally.load * 1e9), "prompt_eval_count": tally.prompt_tokens,
            "prompt_eval_duration": int(tally.prefill * 1e9), "eval_count": tally.tokens,
            "eval_duration": int(tally.decode * 1e9),
        }  # fmt: skip

    def _logprob(self, text: str, top: int) -> dict[str, Any]:
        chosen = {"token": text, "logprob": -0.25, "bytes": list(text.encode())}
        return chosen | ({"top_logprobs": [chosen] * top} if top else {})
