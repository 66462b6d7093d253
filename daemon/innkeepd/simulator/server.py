"""Real HTTP for the simulator, on loopback, inside the caller's event loop. asyncio only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from innkeepd.machine.asgi_port import serving
from innkeepd.simulator.app import ABORT, App
from innkeepd.simulator.engine import Simulator


class CuttableProtocol(HttpToolsProtocol):
    """Lets the application cut the connection, which is how a server that refuses or dies looks from outside."""

    def on_message_begin(self) -> None:
        """Leave the way to cut in the scope of the request that begins."""
        super().on_message_begin()
        scope = cast("dict[str, Any]", self.scope)
        scope.setdefault("extensions", {})[ABORT] = self.transport.abort


@asynccontextmanager
async def serve(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve the simulator and give its URL; port 0 takes a free one. Raises ``OSError`` where the port is taken.

    Leaving the context, or cancelling it, closes the port and cuts what is still being answered.
    """
    async with serving(App(simulator), host, port, lambda: CuttableProtocol) as taken:
        yield f"http://{host}:{taken}"
