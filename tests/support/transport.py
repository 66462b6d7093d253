"""A ``Transport`` without sockets or threads: requests go straight into the simulator, on a mock clock."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

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
    """``innkeepd.outbound.http.Transport`` over a simulator; leaving an answer's context is a client that leaves."""

    url = "http://simulated:11434"

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.open = 0
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
