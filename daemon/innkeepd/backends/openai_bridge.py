"""Ollama's own requests and answers for an engine that speaks the OpenAI API only (no IO).

A tool that talks ``/api/chat`` to our port must not notice that another engine answers: the request is read as
an ``Ask``, and the pieces of the answer are written as Ollama's records.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from innkeepd.backends.backend import Ask, BackendFault, Completion, Piece
from innkeepd.backends.decoding import Undecodable, decode

CHATS = frozenset({"/api/chat", "/api/generate"})
EMBEDDINGS = frozenset({"/api/embed", "/api/embeddings"})

_EXTRA = ("tools", "format", "think")
_ENCODE = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def read(body: bytes | None) -> dict[str, Any]:
    """A request's body. Raises ``BackendFault``."""
    try:
        return decode(body or b"{}", _OBJECT)
    except Undecodable as error:
        raise BackendFault("bad_request", f"the body is no JSON object: {error}") from None


def ask_of(path: str, body: Mapping[str, Any]) -> Ask:
    """A chat, or a completion as one. Raises ``BackendFault`` for what a chat cannot say."""
    extra = {name: body[name] for name in _EXTRA if body.get(name) is not None}
    messages = body.get("messages") or [] if path == "/api/chat" else _as_messages(body)
    return Ask(str(body.get("model", "")), list(messages), None, 0.0, body.get("options"), extra)


def _as_messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    for name in ("raw", "suffix", "template", "context"):
        if body.get(name):
            raise BackendFault("unsupported", f"an engine elsewhere does not support {name} of /api/generate")
    system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    return [*system, {"role": "user", "content": body.get("prompt", ""), "images": body.get("images")}]


def texts_of(body: Mapping[str, Any]) -> list[str]:
    """What is to be embedded, by either endpoint."""
    given = body.get("input", body.get("prompt", ""))
    return [str(given)] if not isinstance(given, list) else [str(text) for text in given]


def vectors_body(path: str, model: str, vectors: list[list[float]]) -> bytes:
    """The answer of ``/api/embed``, or of the older ``/api/embeddings``."""
    if path == "/api/embeddings":
        return _ENCODE({"embedding": vectors[0] if vectors else []})
    return _ENCODE({"model": model, "embeddings": vectors})


class Records:
    """Pieces as records of ``/api/chat`` or ``/api/generate``."""

    def __init__(self, path: str, model: str) -> None:
        self._is_chat = path == "/api/chat"
        self._model = model

    def record(self, item: Piece | Completion) -> bytes:
        """One line."""
        return _ENCODE(self._plain(item)) + b"\n"

    async def whole(self, items: AsyncIterator[Piece | Completion]) -> bytes:
        """All of an answer in one record."""
        text: list[str] = []
        thinking: list[str] = []
        calls: list[dict[str, Any]] = []
        last: Completion | None = None
        async for item in items:
            if isinstance(item, Completion):
                last = item
            else:
                text.append(item.text or "")
                thinking.append(item.thinking or "")
                calls += item.tool_calls or []
        said = self._said("".join(text), "".join(thinking), calls)
        return _ENCODE(self._plain(last or Completion("stop")) | said)

    def _plain(self, item: Piece | Completion) -> dict[str, Any]:
        stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        head = {"model": self._model, "created_at": stamp}
        if isinstance(item, Piece):
            return head | self._said(item.text or "", item.thinking or "", item.tool_calls or []) | {"done": False}
        figures = {
            "total_duration": 0,
            "prompt_eval_count": item.prompt_tokens,
            "eval_count": item.completion_tokens,
        }
        return head | self._said("", "", []) | {"done": True, "done_reason": item.finish_reason} | figures

    def _said(self, text: str, thinking: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
        also: dict[str, Any] = {"thinking": thinking} if thinking else {}
        if not self._is_chat:
            return {"response": text} | also
        also |= {"tool_calls": calls} if calls else {}
        return {"message": {"role": "assistant", "content": text} | also}


class NativeAnswer:
    """An answer in Ollama's form: ``body`` whole, or the remaining ``items`` as ``records``."""

    def __init__(
        self,
        body: bytes = b"",
        *,
        items: AsyncIterator[Piece | Completion] | None = None,
        records: Records | None = None,
    ) -> None:
        self.status = 200
        kind = "application/json" if items is None else "application/x-ndjson"
        self.headers: Mapping[str, str] = {"content-type": kind}
        self._body = body
        self._items = items
        self._records = records

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([chunk async for chunk in self.chunks()])

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in chunks."""
        if self._items is not None and self._records is not None:
            return _Lines(self._items, self._records)
        return _Once(self._body)


class _Lines:
    """An iterator object, not a generator: left halfway, nothing has to be closed later."""

    def __init__(self, items: AsyncIterator[Piece | Completion], records: Records) -> None:
        self._items = items
        self._records = records

    def __aiter__(self) -> "_Lines":
        return self

    async def __anext__(self) -> bytes:
        return self._records.record(await anext(self._items))


class _Once:
    def __init__(self, body: bytes) -> None:
        self._left = [body]

    def __aiter__(self) -> "_Once":
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()
