"""HTTP without sockets or threads: requests go through httpx straight into the simulator, on a mock clock."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

import anyio
import httpx2

from innkeepd.backends.http import HttpClient
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.faults import Disconnected


class Body(httpx2.AsyncByteStream):
    """A body from an iterator; ``close`` is awaited once, when the answer is left."""

    def __init__(self, chunks: AsyncIterator[bytes], close: Callable[[], Awaitable[None]]) -> None:
        self._chunks = chunks
        self._close: Callable[[], Awaitable[None]] | None = close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._chunks:
                yield chunk
        except Disconnected as fault:
            raise httpx2.ReadError(str(fault)) from None

    async def aclose(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            await close()


async def chunks_of(parts: Iterable[Any], gap: float = 0.0) -> AsyncGenerator[bytes, None]:
    """Bytes as they are; an exception is raised in its place, a number slept, a function awaited."""
    for part in parts:
        await anyio.sleep(gap)
        if isinstance(part, Exception):
            raise part
        if callable(part):
            await part()
        elif isinstance(part, bytes):
            yield part
        else:
            await anyio.sleep(part)


def path_of(request: httpx2.Request) -> str:
    return request.url.raw_path.decode()


class FakeServer(HttpClient, httpx2.AsyncBaseTransport):
    """The production client, and at its other end a server in memory: whoever inherits says what is answered.

    ``open_answers``: those under way; ``losses``: kept connections that it closed.
    """

    losses = 0

    def __init__(self, url: str, token: str = "") -> None:
        super().__init__(url, connect_timeout=3.0, token=token, transport=self)
        self.open_answers = 0
        self.closed = False

    def response(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: AsyncGenerator[bytes, None],
        close: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint,
    ) -> httpx2.Response:
        """An answer that counts as under way until it is left."""
        self.open_answers += 1

        async def closed() -> None:
            self.open_answers -= 1
            await chunks.aclose()
            await close()

        return httpx2.Response(status, headers=headers, stream=Body(chunks, closed))

    async def aclose(self) -> None:
        self.closed = True
        await anyio.lowlevel.checkpoint()


class MemoryTransport(FakeServer):
    """The production client over a simulator; leaving an answer's context is a client that leaves."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__("http://simulated:11434")
        self.simulator = simulator

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await anyio.lowlevel.checkpoint()
        try:
            answer = await self.simulator.handle(request.method, path_of(request), request.content or None)
        except Disconnected as fault:
            raise httpx2.ConnectError(str(fault)) from None
        return self.response(answer.status, answer.headers, answer.body, answer.aclose)


class Fetched:
    """A whole answer: ``chunks`` with the seconds since the request at which each came."""

    def __init__(self, status: int, headers: Mapping[str, str], chunks: list[tuple[float, bytes]]) -> None:
        self.status = status
        self.headers = headers
        self.chunks = chunks

    @property
    def text(self) -> str:
        return b"".join(chunk for _, chunk in self.chunks).decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def lines(self) -> list[Any]:
        """The records of NDJSON."""
        return [json.loads(line) for line in self.text.splitlines() if line]

    @property
    def events(self) -> list[Any]:
        """The data of server-sent events, ``[DONE]`` as text."""
        data = [line.removeprefix("data: ") for line in self.text.splitlines() if line]
        return [each if each == "[DONE]" else json.loads(each) for each in data]

    @property
    def said(self) -> str:
        """The content of a native chat."""
        return "".join(line["message"]["content"] for line in self.lines if "message" in line)


async def fetch(transport: HttpClient, method: str, path: str, body: Any = None) -> Fetched:
    """Send a request with a JSON body (or bytes) and read the answer to its end."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    began = anyio.current_time()
    async with transport.request(method, path, data) as answer:
        chunks = [(anyio.current_time() - began, chunk) async for chunk in answer.chunks()]
        return Fetched(answer.status, answer.headers, chunks)
