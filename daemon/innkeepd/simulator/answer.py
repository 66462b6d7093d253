"""An answer of the simulated server: a head, and a body in chunks."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

JSON = "application/json; charset=utf-8"
V1_JSON = "application/json"
LINES = "application/x-ndjson"
EVENTS = "text/event-stream"
TEXT = "text/plain; charset=utf-8"

encode = msgspec.json.Encoder().encode


class SimAnswer:
    """Status, headers (lower case) and a body.

    The receiver closes it, which stops the engine.
    """

    def __init__(
        self,
        status: int,
        headers: dict[str, str],
        body: AsyncGenerator[bytes, None],
        on_close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self._body = body
        self._on_close = on_close

    def __repr__(self) -> str:
        return f"<SimAnswer {self.status} {self.headers.get('content-type')}>"

    @property
    def body(self) -> AsyncIterator[bytes]:
        """The chunks; one line each where lines are streamed."""
        return self._body

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([chunk async for chunk in self._body])

    async def aclose(self) -> None:
        """Stop the engine's work for this answer, whether or not the body was read."""
        try:
            await self._body.aclose()
        finally:
            if self._on_close is not None:
                await self._on_close()


async def _once(content: bytes) -> AsyncGenerator[bytes, None]:
    if content:
        yield content


def whole(content: bytes, content_type: str, status: int = 200) -> SimAnswer:
    """An answer in one piece."""
    return SimAnswer(status, {"content-type": content_type, "content-length": str(len(content))}, _once(content))


def json_answer(value: Any, content_type: str = JSON, status: int = 200) -> SimAnswer:
    """A JSON value in one piece."""
    return whole(encode(value), content_type, status)
