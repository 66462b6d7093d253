"""Real HTTP for the simulator, on loopback, inside the caller's own event loop. asyncio only.

Uvicorn's protocol does the HTTP. Its server is left out: it would take over the signals, tick ten times a second and
wait when it stops, and the daemon wants none of that.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

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
    config = uvicorn.Config(
        cast("Any", App(simulator)), ws="none", lifespan="off", log_config=None, log_level="critical", access_log=False
    )  # fmt: skip
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    # Not a socket of our own: asyncio sets TCP_NODELAY only on those that it has made, and 40 ms hang on it.
    server = await loop.create_server(lambda: CuttableProtocol(config, state, {}), host, port)
    try:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        with anyio.CancelScope(shield=True):
            await _cut(state)


async def _cut(state: ServerState) -> None:
    """End every connection and wait until nothing runs for it any more."""
    for connection in list(state.connections):
        connection.transport.abort()
    running = list(state.tasks)
    if running:
        _, stubborn = await asyncio.wait(running, timeout=1.0)
        for task in stubborn:
            task.cancel()
    await asyncio.sleep(0)
