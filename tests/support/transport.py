"""A ``Transport`` without sockets or threads: requests go straight into the simulator, on a mock clock."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from innkeepd.simulator.answer import SimAnswer
from innkeepd.simulator.engine import Simulator


class MemoryAnswer:
    """An answer whose body is made while it is read."""

    def __init__(self, answer: SimAnswer) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers

    async def read(self) -> bytes:
        return await self._answer.read()

    def chunks(self) -> AsyncIterator[bytes]:
        return self._answer.body


class MemoryTransport:
    """``innkeepd.backends.http.Transport`` over a simulator; leaving an answer's context is a client that leaves."""

    url = "http://simulated:11434"

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.open = 0
        self.losses = 0
        self.closed = False

    @asynccontextmanager
    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[MemoryAnswer]:
        await anyio.lowlevel.checkpoint()
        answer = await self.simulator.handle(method, path, body)
        self.open += 1
        try:
            yield MemoryAnswer(answer)
        finally:
            self.open -= 1
            await answer.aclose()

    async def aclose(self) -> None:
        self.closed = True
        await anyio.lowlevel.checkpoint()


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


async def fetch(transport: Any, method: str, path: str, body: Any = None) -> Fetched:
    """Send a request with a JSON body (or bytes) and read the answer to its end."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    began = anyio.current_time()
    async with transport.request(method, path, data) as answer:
        chunks = [(anyio.current_time() - began, chunk) async for chunk in answer.chunks()]
        return Fetched(answer.status, answer.headers, chunks)
