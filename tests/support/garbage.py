"""What an engine may send instead of its answer: 200 kinds of garbage, and a transport that sends them for one call."""

import json
from collections.abc import Callable
from typing import Any

import anyio
import httpx2

from support.odd import HUGE, NUMBERS, TEXTS, nested
from support.transport import FakeServer, chunks_of, path_of

Kind = Callable[[bytes], list[Any]]
"""Makes of the true body what is sent instead: chunks, an exception to raise in its place, or seconds of silence."""

DEEP = b"[" * 5000 + b"]" * 5000
_VALUES: list[Any] = [None, True, [], {}, [[]], [None], [1], *NUMBERS, *TEXTS, *HUGE, nested(60, "list")]
_FIELDS = ("name", "size", "models", "model_info", "details", "context_length", "expires_at", "version", "error")
_DEEP_IN = ("models", "message", "model_info", "error", "unknown")
_RAW: dict[str, bytes] = {
    "nothing": b"", "null": b"null", "a list": b"[]", "an empty object": b"{}", "a number": b"1e400", "text": b'"x"',
    "a page": b"<html>oops</html>", "NaN": b'{"size":NaN,"version":NaN}', "zeros": b"\0" * 500, "lines": b"\n" * 500,
    "a BOM": b"\xef\xbb\xbf{}", "UTF-16": "{}".encode("utf-16"), "gzip": b"\x1f\x8b\x08\x00" + b"\0" * 20,
    "depth": DEEP, "depth of objects": b'{"a":' * 2000 + b"1" + b"}" * 2000, "half depth": b"[" * 100_000,
    "an error as text": b'{"error":"x"}', "an error as object": b'{"error":{"message":["x"]}}',
    "an error in bad UTF-8": b'{"error":"\xff\xfe"}', "an error of 1 MB": b'{"error":"' + b"e" * 10**6 + b'"}',
    "SSE": b"data: {}\n\n", "a done alone": b'{"done":true}\n',
    "an answer for ever open": b'{"message":{"content":"x"}}\n',
    "null models": b'{"models":[null]}', "twice the same key": b'{"models":[],"models":null,"version":1,"version":"2"}',
    "10,000 models": b'{"models":[' + b",".join(b'{"name":"m%d","size":1}' % n for n in range(10_000)) + b"]}",
    "a name of 1 MB": b'{"models":[{"name":"' + b"n" * 10**6 + b'","size":1}]}',
    "an empty name": b'{"models":[{"name":"","size":1}]}', "no name": b'{"models":[{"size":1}]}',
    "a derived name": b'{"models":[{"name":"innkeep-ctx/:8192","size":2}]}',
    "many digits": b'{"models":[{"name":"a","size":1,"details":{"parameter_size":"' + b"9" * 400 + b'B"}}]}',
    "bad UTF-8 in a name": b'{"models":[{"name":"\xff\xfe:latest","size":1}]}',
    "a surrogate in a name": b'{"models":[{"name":"\\ud800:latest","size":1}]}',
    "huge shape": b'{"model_info":{"general.architecture":"l","l.block_count":1e308,"l.attention.head_count":1e308,'
                  b'"l.attention.key_length":1e308,"l.context_length":1e308,"general.parameter_count":1e308}}',
    "negative shape": b'{"model_info":{"general.architecture":"l","l.block_count":-4,"l.attention.head_count":-4,'
                      b'"l.embedding_length":-64,"l.context_length":-4096,"general.parameter_count":-1}}',
    "a shape of lists": b'{"model_info":{"general.architecture":[1],"l.attention.head_count":[1e308,1e308]}}',
}  # fmt: skip


def kinds() -> dict[str, Kind]:
    """At least 200 of them, by name."""
    found: dict[str, Kind] = {name: _always(data) for name, data in _RAW.items()}
    for number, value in enumerate(_VALUES):
        found[f"every value is value {number}"] = _replacing(value)
    for field in _FIELDS:
        for number in (0, 3, 5, 9, 15, 16, 20, 23):
            found[f"{field} is value {number}"] = _replacing(_VALUES[number], field)
    for field in _DEEP_IN:
        found[f"{field} 5,000 deep"] = _always(b'{"%s":' % field.encode() + DEEP + b"}")
    for at in (0, 1, 7, 20, 50, 99):
        found[f"cut off at {at} %"] = lambda data, at=at: [data[: len(data) * at // 100]]
        found[f"bad UTF-8 at {at} %"] = lambda data, at=at: [_put(data, at, b"\xff")]
        found[f"NUL at {at} %"] = lambda data, at=at: [_put(data, at, b"\0")]
        found[f"broken off at {at} %"] = lambda data, at=at: [
            data[: len(data) * at // 100],
            httpx2.ReadError("it broke off"),
        ]
        found[f"1 MB more at {at} %"] = lambda data, at=at: [_put(data, at, b" " * 2**20)]
    found["bytes one by one"] = lambda data: [data[n : n + 1] for n in range(len(data))]
    found["twice"] = lambda data: [data, data]
    found["a line of over 16 MiB"] = lambda _: [b"x" * 2**20] * 17
    found["silence"] = lambda _: [anyio.sleep_forever]
    found["silence in the middle"] = lambda data: [data[: len(data) // 2], anyio.sleep_forever]
    found["no connection"] = lambda _: [httpx2.ConnectError("connection refused")]
    for status in (100, 204, 301, 400, 404, 418, 429, 500, 503, 599):
        found[f"status {status}"] = _status(status)
    return found


def _always(data: bytes) -> Kind:
    return lambda _: [data]


def _status(status: int) -> Kind:
    return lambda data: [status, data]


def _put(data: bytes, percent: int, what: bytes) -> bytes:
    at = len(data) * percent // 100
    return data[:at] + what + data[at:]


def _replacing(value: Any, field: str | None = None) -> Kind:
    """The true JSON, line by line, with every leaf (or every field of that name) replaced."""

    def replaced(whole: Any) -> Any:
        if isinstance(whole, dict):
            return {key: value if key == field else replaced(each) for key, each in whole.items()}
        if isinstance(whole, list):
            return [replaced(each) for each in whole]
        return value if field is None else whole

    def kind(data: bytes) -> list[Any]:
        try:
            lines = [json.dumps(replaced(json.loads(line))).encode() for line in data.splitlines()]
        except ValueError:
            return [json.dumps(value).encode()]
        return [b"\n".join(lines) + b"\n"]

    return kind


class GarbageTransport(FakeServer):
    """Passes requests to ``inner``; what answers those that ``strikes`` says yes to is made by ``kind``."""

    def __init__(self, inner: FakeServer, kind: Kind, strikes: Callable[[str, bytes], bool]) -> None:
        super().__init__(inner.url)
        self.struck = 0
        self.is_well = False
        self._inner = inner
        self._kind = kind
        self._strikes = strikes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._inner.handle_async_request(request)
        if self.is_well or not self._strikes(path_of(request), request.content):
            return answer
        self.struck += 1
        try:
            made = self._kind(await answer.aread())
        finally:
            await answer.aclose()
        if made and isinstance(made[0], httpx2.TransportError):
            raise made[0]
        status = made.pop(0) if made and isinstance(made[0], int) else answer.status_code
        return self.response(status, {"content-type": answer.headers.get("content-type", "")}, chunks_of(made))
