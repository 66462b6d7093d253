"""An engine elsewhere that speaks the OpenAI API, as a ``Transport`` in memory: up, down, slow, or dying in mid-answer.

Waits are ``anyio.sleep``, so they take no time on a mock clock.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from innkeepd.backends.http import Unreachable

STREAM = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}


def event(data: Any) -> bytes:
    """One server-sent event."""
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def delta(finish: str | None = None, **fields: Any) -> bytes:
    """One chunk of a streamed chat."""
    return event(
        {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}
    )


def usage(prompt: int, completion: int) -> bytes:
    """The chunk with the token counts."""
    return event({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})


def answer(*words: str) -> list[bytes]:
    """A whole streamed answer, a chunk a word."""
    pieces = [delta(role="assistant", content=""), *(delta(content=word) for word in words), delta(finish="stop")]
    return [*pieces, usage(5, len(words)), event("[DONE]")]


class RemoteAnswer:
    """``chunks`` come one by one, ``gap`` seconds apart; an exception among them is raised, a number is slept."""

    def __init__(self, status: int, headers: Mapping[str, str], chunks: list[Any], gap: float) -> None:
        self.status = status
        self.headers = headers
        self._left = list(chunks)
        self._gap = gap

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self])

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> "RemoteAnswer":
        return self

    async def __anext__(self) -> bytes:
        await anyio.sleep(self._gap)
        while self._left:
            chunk = self._left.pop(0)
            if isinstance(chunk, Exception):
                raise chunk
            if isinstance(chunk, bytes):
                return chunk
            await anyio.sleep(chunk)
        raise StopAsyncIteration


class RemoteEngine:
    """Set ``status`` and ``chunks`` for what a chat gets; ``down`` for the seconds until no connection was made.

    ``asked`` keeps (method, path, JSON body, headers); ``open`` counts the answers under way that are no ``pages``,
    ``most`` is how many those were at once.
    """

    def __init__(self, url: str = "http://cluster.test:8000") -> None:
        self.url = url
        self.losses = 0
        self.down: float | None = None
        self.status = 200
        self.headers = STREAM
        self.chunks: list[Any] = answer("from ", "the ", "cluster")
        self.pages: dict[str, tuple[int, bytes]] = {
            "/v1/models": (200, b'{"object":"list","data":[{"id":"llama3.3"}]}')
        }
        self.gap = 0.0
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []
        self.open = 0
        self.most = 0
        self.closed = False

    @asynccontextmanager
    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[RemoteAnswer]:
        self.asked.append((method, path, json.loads(body) if body else None, dict(headers or {})))
        await anyio.sleep(self.down or 0)
        if self.down is not None:
            raise Unreachable(f"{self.url}: connection refused")
        self.open += path not in self.pages
        self.most = max(self.most, self.open)
        try:
            if path in self.pages:
                status, page = self.pages[path]
                yield RemoteAnswer(status, JSON, [page], 0.0)
            else:
                yield RemoteAnswer(self.status, self.headers, self.chunks, self.gap)
        finally:
            self.open -= path not in self.pages

    @property
    def chats(self) -> list[Any]:
        """The bodies of every chat it was asked."""
        return [body for _, path, body, _ in self.asked if path.endswith("/chat/completions")]

    def refuse(self, status: int, text: str) -> None:
        """Answer chats with an error."""
        self.status, self.headers = status, JSON
        self.chunks = [json.dumps({"error": {"message": text, "type": "error"}}).encode()]

    async def aclose(self) -> None:
        self.closed = True
        await anyio.lowlevel.checkpoint()
