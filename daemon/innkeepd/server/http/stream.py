"""The bytes of an answer on their way through: looked at, and but for a model's name left as they are.

Looking must cost next to nothing. Quotes inside JSON strings are escaped, so that ``"model":"x"`` and ``{"error":`` at
the beginning of a record can only be what they seem.
"""

import re

import msgspec

from innkeepd.backends.backend import BackendFault, Completion
from innkeepd.backends.ollama_wire import error_text, error_words
from innkeepd.policy.error_texts import classify
from innkeepd.server.http.errors import Api

CARRY = 64
"""Bytes that are looked at again with the next chunk: more than any mark or figure is long."""

_ERRORS: dict[Api, tuple[bytes, ...]] = {
    "native": (b'{"error":',),
    "openai": (b'data: {"error":',),
    "responses": (b"event: response.failed", b"event: error", b'data: {"error":'),
    "messages": (b"event: error",),
}
_DONE = re.compile(rb'"done": ?true, ?"(?:done_reason|total_duration)"')
_STREAM_ENDS: dict[Api, re.Pattern[bytes]] = {
    "native": _DONE,
    "openai": re.compile(rb"\ndata: ?\[DONE\]"),
    "responses": re.compile(rb"\nevent: ?response\.(?:completed|incomplete)"),
    "messages": re.compile(rb"\nevent: ?message_stop"),
}
_WHOLE_ENDS: dict[Api, re.Pattern[bytes]] = {
    "native": _DONE,
    "openai": re.compile(rb'"finish_reason": ?"'),
    "responses": re.compile(rb'"(?:input|output)_tokens": ?[1-9]'),
    "messages": re.compile(rb'"stop_reason": ?"'),
}
"""Ollama 0.33 answers 200 where llama-server failed in mid-answer: without one of these, or with no tokens at all."""
_NUMBERS = re.compile(
    rb'"(prompt_eval_count|eval_count|prompt_eval_duration|eval_duration|load_duration|prompt_tokens|completion_tokens'
    rb'|input_tokens|output_tokens)": ?(\d{1,18})'
)
_REASON = re.compile(rb'"(?:done_reason|finish_reason|stop_reason)": ?"([a-z_]{1,32})"')
_NANOSECONDS = 1e-9
_LINE_FEED = ord("\n")
LONGEST_ERROR = 64 * 1024
"""Bytes of an error record that are waited for; what is longer is judged by its beginning."""


class Errors:
    """Finds the error record of a stream, however its bytes are cut.

    Of a line that may yet turn out to be one nothing is passed on before it is whole, so that an error before the first
    token is still an attempt that failed. ``feed`` and ``end`` give what may be passed on, and the
    error where there is one.
    """

    def __init__(self, api: Api) -> None:
        self._marks = _ERRORS[api]
        self._kept = b""
        self._at_start = True

    def __repr__(self) -> str:
        return f"<Errors {len(self._kept)} bytes kept>"

    def feed(self, chunk: bytes) -> tuple[bytes, BackendFault | None]:
        """More of the stream."""
        data = self._kept + chunk if self._kept else chunk
        found = self._found(data)
        if found is None:
            cut = self._undecided(data)
            self._kept = data[cut:]
            if cut:
                self._at_start = data[cut - 1] == _LINE_FEED
            return (data[:cut] if self._kept else data), None
        at, mark = found
        record = data[at:]
        if record.count(b"\n") >= (2 if mark.startswith(b"event") else 1) or len(record) > LONGEST_ERROR:
            self._kept = b""
            return data[:at], _fault(record)
        self._kept, self._at_start = record, True
        return data[:at], None

    def end(self) -> tuple[bytes, BackendFault | None]:
        """The stream is over: what was kept is an error record without its end, or no error at all."""
        kept, self._kept = self._kept, b""
        return (b"", _fault(kept)) if self._found(kept) else (kept, None)

    def _found(self, data: bytes) -> tuple[int, bytes] | None:
        """Where the first error record begins, and by which mark it is known."""
        for mark in self._marks:
            at = 0 if self._at_start and data.startswith(mark) else data.find(b"\n" + mark) + 1
            if at or (self._at_start and data.startswith(mark)):
                return at, mark
        return None

    def _undecided(self, data: bytes) -> int:
        """Where the last line begins, if it may become a mark; else the end."""
        at = data.rfind(b"\n") + 1
        last = data[at:]
        is_line = at > 0 or self._at_start
        return at if is_line and last and any(mark.startswith(last) for mark in self._marks) else len(data)


def _fault(record: bytes) -> BackendFault:
    text = _words(record)
    return BackendFault(classify(None, text), text)


def _words(record: bytes) -> str:
    """What an error record says; that of ``responses`` lies one level deeper."""
    data = record[record.find(b"{") :].strip().partition(b"\n")[0]
    try:
        event = msgspec.json.decode(data)
        deeper = event["response"]["error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return error_text(data)
    return error_words(deeper)


class Scanner:
    """Whether an answer is whole, and the figures of its last record; cut anywhere, however long a record is."""

    def __init__(self, api: Api, *, streams: bool) -> None:
        self.is_whole = False
        self._end = (_STREAM_ENDS if streams else _WHOLE_ENDS)[api]
        self._carry = b"\n"
        self._found: dict[bytes, int] = {}
        self._reason = b"stop"

    def __repr__(self) -> str:
        return f"<Scanner {'whole' if self.is_whole else 'not whole'}>"

    def feed(self, chunk: bytes) -> None:
        """More of it."""
        seen = self._carry + chunk
        self._carry = seen[-CARRY:]
        self.is_whole = self.is_whole or self._end.search(seen) is not None
        for name, number in _NUMBERS.findall(seen):
            self._found[name] = int(number)
        for reason in _REASON.findall(seen):
            self._reason = reason

    def result(self) -> Completion:
        """The last figures that were told; 0 where there are none."""
        found = self._found.get
        return Completion(
            self._reason.decode(),
            found(b"prompt_eval_count") or found(b"prompt_tokens") or found(b"input_tokens") or 0,
            found(b"eval_count") or found(b"completion_tokens") or found(b"output_tokens") or 0,
            found(b"prompt_eval_duration", 0) * _NANOSECONDS,
            found(b"eval_duration", 0) * _NANOSECONDS,
            found(b"load_duration", 0) * _NANOSECONDS,
        )


class Renamed:
    """Puts another model's name into each record of an answer, whose first ``"model"`` it is; cut anywhere.

    Looks at each byte once and keeps no more than the length of the name: an answer in one line may have any length.
    """

    def __init__(self, old: str, new: str) -> None:
        self._old = b'"model":' + msgspec.json.encode(old)
        self._new = b'"model":' + msgspec.json.encode(new)
        self._rest = b""
        self._is_done = False
        """Whether this record has got its name."""

    def __repr__(self) -> str:
        return f"<Renamed {self._old!r} to {self._new!r}>"

    def feed(self, chunk: bytes) -> bytes:
        """What is decided by now: everything but an end that may be the beginning of the name."""
        data = self._rest + chunk if self._rest else chunk
        out: list[bytes] = []
        at, self._rest = 0, b""
        while at < len(data):
            feed = data.find(b"\n", at)
            end = feed + 1 if feed >= 0 else len(data)
            found = -1 if self._is_done else data.find(self._old, at, end)
            if found >= 0:
                out += (data[at:found], self._new)
                at, self._is_done = found + len(self._old), True
            elif feed < 0 and not self._is_done:
                end = self._undecided(data, at)
                self._rest = data[end:]
            out.append(data[at:end])
            if feed < 0:
                break
            at, self._is_done = end, False
        return b"".join(out)

    def _undecided(self, data: bytes, at: int) -> int:
        """Where the end begins that may be the beginning of the name."""
        for start in range(max(at, len(data) - len(self._old) + 1), len(data)):
            if self._old.startswith(data[start:]):
                return start
        return len(data)

    def end(self) -> bytes:
        """What is left."""
        rest, self._rest = self._rest, b""
        return rest
