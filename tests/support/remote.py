"""An engine elsewhere that speaks the OpenAI API, in memory: up, down, slow, or dying in mid-answer.

Waits are ``anyio.sleep``, so they take no time on a mock clock.
"""

import json
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2

from support.transport import Body, FakeServer, chunks_of, path_of

STREAM = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}
PLAIN = {"host", "accept", "accept-encoding", "content-length"}
"""Headers that every request has, left out of ``asked``."""


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


class RemoteEngine(FakeServer):
    """Set ``status`` and ``chunks`` for what a chat gets; ``down`` for the seconds until no connection was made.

    ``asked`` keeps (method, path, JSON body, headers); ``open_answers`` counts those under way that are no
    ``pages``, ``most`` is how many those were at once.
    """

    def __init__(self, url: str = "http://cluster.test:8000", token: str = "") -> None:
        super().__init__(url, token)
        self.down: float | None = None
        self.status = 200
        self.headers = STREAM
        self.chunks: list[Any] = answer("from ", "the ", "cluster")
        self.pages: dict[str, tuple[int, bytes]] = {
            "/v1/models": (200, b'{"object":"list","data":[{"id":"llama3.3"}]}')
        }
        self.gap = 0.0
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []
        self.most = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = path_of(request).removeprefix(urlsplit(self.url).path)
        body = json.loads(request.content) if request.content else None
        headers = {name: value for name, value in request.headers.items() if name not in PLAIN}
        self.asked.append((request.method, path, body, headers))
        await anyio.sleep(self.down or 0)
        if self.down is not None:
            raise httpx2.ConnectError("connection refused")
        if path in self.pages:
            status, page = self.pages[path]
            return httpx2.Response(status, headers=JSON, stream=Body(chunks_of([page]), anyio.lowlevel.checkpoint))
        answer = self.response(self.status, self.headers, chunks_of(self.chunks, self.gap))
        self.most = max(self.most, self.open_answers)
        return answer

    @property
    def chats(self) -> list[Any]:
        """The bodies of every chat it was asked."""
        return [body for _, path, body, _ in self.asked if path.endswith("/chat/completions")]

    def refuse(self, status: int, text: str) -> None:
        """Answer chats with an error."""
        self.status, self.headers = status, JSON
        self.chunks = [json.dumps({"error": {"message": text, "type": "error"}}).encode()]
