"""The bytes of an answer on their way through: looked at, and but for a model's name left as they are.

Looking must cost next to nothing. Quotes inside JSON strings are escaped, so that ``"model":"x"`` and ``{"error":`` at
the beginning of a record can only be what they seem.
"""

import re

import msgspec

from innkeepd.inbound.http.errors import Api
from innkeepd.outbound.backend import BackendFault
from innkeepd.outbound.ollama_wire import error_text, error_words
from innkeepd.policy.error_texts import classify
from innkeepd.wish import Result

TAIL = 2048
"""Bytes of an answer's end that are kept: its last record's figures, and whether it was whole."""

_ERRORS: dict[Api, tuple[bytes, ...]] = {
    "native": (b'{"error":',),
    "openai": (b'data: {"error":',),
    "responses": (b"event: response.failed", b"event: error", b'data: {"error":'),
    "messages": (b"event: error",),
}
_ENDS: dict[Api, tuple[bytes, ...]] = {
    "native": (b'"total_duration":', b'"done":true'),
    "openai": (b"data: [DONE]",),
    "responses": (b"event: response.completed", b"event: response.incomplete"),
    "messages": (b"event: message_stop",),
}
_NUMBERS = re.compile(
    rb'"(prompt_eval_count|eval_count|prompt_eval_duration|eval_duration|prompt_tokens|completion_tokens|input_tokens'
    rb'|output_tokens)":(\d+)'
)
_REASON = re.compile(rb'"(?:done_reason|finish_reason|stop_reason)":"([a-z_]+)"')
_NANOSECONDS = 1e-9


def error_in(api: Api, chunk: bytes) -> tuple[bytes, BackendFault] | None:
    """What comes before an error record in this chunk of a stream, and the error; None where there is none."""
    for mark in _ERRORS[api]:
        at = 0 if chunk.startswith(mark) else chunk.find(b"\n" + mark) + 1
        if at or chunk.startswith(mark):
            text = _words(chunk[at:])
            return chunk[:at], BackendFault(classify(None, text), text)
    return None


def _words(record: bytes) -> str:
    """What an error record says; that of ``responses`` lies one level deeper."""
    data = record[record.find(b"{") :].strip().partition(b"\n")[0]
    try:
        told = msgspec.json.decode(data)
        deeper = told["response"]["error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return error_text(data)
    return error_words(deeper)


class Tail:
    """The end of an answer."""

    def __init__(self) -> None:
        self._kept = b""

    def __repr__(self) -> str:
        return f"<Tail {self._kept[-40:]!r}>"

    def feed(self, chunk: bytes) -> None:
        """More of it."""
        self._kept = chunk[-TAIL:] if len(chunk) >= TAIL else (self._kept + chunk)[-TAIL:]

    def is_whole(self, api: Api) -> bool:
        """Whether a stream has come to its own end."""
        return any(mark in self._kept for mark in _ENDS[api])

    def result(self) -> Result:
        """The figures of the last record; 0 where it tells none."""
        found = {name.decode(): int(number) for name, number in _NUMBERS.findall(self._kept)}
        reasons = _REASON.findall(self._kept)
        return Result(
            reasons[-1].decode() if reasons else "stop",
            found.get("prompt_eval_count") or found.get("prompt_tokens") or found.get("input_tokens") or 0,
            found.get("eval_count") or found.get("completion_tokens") or found.get("output_tokens") or 0,
            found.get("prompt_eval_duration", 0) * _NANOSECONDS,
            found.get("eval_duration", 0) * _NANOSECONDS,
        )


class Renamed:
    """Puts another model's name into each record of an answer, whose first ``"model"`` it is; cut anywhere."""

    def __init__(self, old: str, new: str) -> None:
        self._old = b'"model":' + msgspec.json.encode(old)
        self._new = b'"model":' + msgspec.json.encode(new)
        self._rest = b""

    def __repr__(self) -> str:
        return f"<Renamed {self._old!r} to {self._new!r}>"

    def feed(self, chunk: bytes) -> bytes:
        """The lines that are complete by now."""
        data = self._rest + chunk if self._rest else chunk
        cut = data.rfind(b"\n") + 1
        self._rest = data[cut:]
        return b"".join(line.replace(self._old, self._new, 1) for line in data[:cut].splitlines(keepends=True))

    def end(self) -> bytes:
        """What is left."""
        rest, self._rest = self._rest, b""
        return rest.replace(self._old, self._new, 1)
