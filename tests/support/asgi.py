"""An ASGI client in memory that streams, leaves in mid-answer and reads slowly. (httpx's own waits for the end.)"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

HOME = {"host": "127.0.0.1:11435"}


class Response:
    """An answer as it comes: ``chunks`` with the instant of each, ``is_over`` once it has ended."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.chunks: list[tuple[float, bytes]] = []
        self.is_over = False
        self.is_full = False
        self.seconds = 0.0
        """How long the client takes to read a part."""
        self._moved = anyio.Event()
        self._left = anyio.Event()
        self.returned = anyio.Event()
        """Set once the app does nothing more for it: a little is done behind the end of an answer."""

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.body[:200]!r}>"

    @property
    def body(self) -> bytes:
        return b"".join(chunk for _, chunk in self.chunks)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The records of NDJSON."""
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]

    @property
    def events(self) -> list[Any]:
        """The data of server-sent events, ``[DONE]`` as text, comments left out."""
        data = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [each if each == "[DONE]" else json.loads(each) for each in data]

    @property
    def said(self) -> str:
        """The content of a native chat."""
        return "".join(line["message"]["content"] for line in self.lines if "message" in line)

    def leave(self) -> None:
        """Close the connection."""
        self._left.set()

    async def until(self, holds: Callable[["Response"], Any]) -> None:
        """Wait for the answer to come so far."""
        while not holds(self):
            assert not self.is_over, f"it ended before: {self!r}"
            await self._moved.wait()

    async def end(self) -> "Response":
        """Wait for its end."""
        while not self.is_over:
            await self._moved.wait()
        return self

    def _tell(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    async def send(self, message: Mapping[str, Any]) -> None:
        await anyio.sleep(self.seconds)
        assert not self.is_over, "something was sent after the end"
        if message["type"] == "http.response.start":
            assert self.status == 0, "two heads"
            self.status = message["status"]
            self.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            assert self.status, "a body without a head"
            if message.get("body"):
                self.chunks.append((anyio.current_time(), message["body"]))
            self.is_over = not message.get("more_body", False)
            length = self.headers.get("content-length")
            assert not self.is_over or length is None or int(length) == len(self.body), "a wrong content-length"
        self._tell()

    async def wait_until_left(self) -> None:
        await self._left.wait()


class AsgiClient:
    """Asks one app. Every request is a task of ``tasks``."""

    def __init__(self, app: Callable[..., Awaitable[None]], tasks: Any) -> None:
        self._app = app
        self._tasks = tasks
        self.running = 0

    def start(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, cut: int = 0
    ) -> Response:
        """Send a request; the answer comes while others run. ``cut``: send the body in pieces of so many bytes."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        response = Response()
        said = {**HOME, **({"content-length": str(len(data))} if data else {}), **(headers or {})}
        scope = {
            "type": "http",
            "method": method,
            "path": path.partition("?")[0],
            "query_string": path.partition("?")[2].encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in said.items() if value is not None],
            "extensions": {"innkeepd.full": lambda: response.is_full},
        }
        size = cut or max(len(data), 1)
        parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]

        async def receive() -> dict[str, Any]:
            await anyio.lowlevel.checkpoint()
            if parts:
                return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}
            await response.wait_until_left()
            return {"type": "http.disconnect"}

        async def run() -> None:
            self.running += 1
            try:
                await self._app(scope, receive, response.send)
            finally:
                self.running -= 1
                response.is_over = True
                response.returned.set()
                response._tell()

        self._tasks.start_soon(run)
        return response

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Response:
        """Send a request and wait for the whole answer, and for what the app does behind it."""
        response = await self.start(method, path, body, **more).end()
        await response.returned.wait()
        return response

    async def get(self, path: str, **more: Any) -> Response:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Response:
        return await self.ask("POST", path, body, **more)


@asynccontextmanager
async def asgi_client(app: Callable[..., Awaitable[None]]) -> AsyncIterator[AsgiClient]:
    """A client of an app; what it has asked is cancelled at the end."""
    async with anyio.create_task_group() as tasks:
        yield AsgiClient(app, tasks)
        tasks.cancel_scope.cancel()
