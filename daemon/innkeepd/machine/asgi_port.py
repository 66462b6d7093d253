"""An ASGI application on a TCP port of this machine, inside the caller's event loop. asyncio only.

Uvicorn's protocol does the HTTP. Its server is left out: it would take over the signals, tick ten times a second and
wait when it stops, and the daemon wants none of that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from socket import socket
from typing import Any

import anyio
import anyio.to_thread

LAST_WORDS = 1.0
"""Seconds for requests to end once the port is closed."""


@asynccontextmanager
async def serving(
    app: Any,
    host: str,
    port: int,
    protocol: Callable[[], Callable[..., asyncio.Protocol]],
    *,
    keep_alive: int = 5,
    refuse: Callable[[str], str | None] = lambda _address: None,
    listener: socket | None = None,
) -> AsyncIterator[int]:
    """Serve ``app`` and give its port; port 0 takes a free one. Raises ``OSError`` where the port cannot be had.

    ``protocol``: gives the class of uvicorn's protocol; called in a thread, because its import is slow. ``keep_alive``:
    seconds that a connection is kept between two requests. ``refuse``: says why nothing may listen on an address that
    ``host`` resolves to; that is raised as ``OSError``, and nothing has listened there then.
    ``listener``: a TCP socket that listens already, which is served instead of a new one and stays open.
    Leaving the context, or cancelling it, closes the port and cuts what is still being answered.
    """

    def prepared() -> tuple[Callable[[], asyncio.Protocol], Any]:
        import uvicorn  # noqa: PLC0415 - slow, see above
        from uvicorn.server import ServerState  # noqa: PLC0415

        state = ServerState()
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_keep_alive=keep_alive,
        )
        config.load()
        kind = protocol()
        return lambda: kind(config, state, {}), state

    connection, state = await anyio.to_thread.run_sync(prepared)
    loop = asyncio.get_running_loop()
    if listener is None:
        server = await loop.create_server(connection, host.strip("[]"), port, start_serving=False)
    else:  # its ``proto`` must be IPPROTO_TCP: asyncio sets TCP_NODELAY only then, and 40 ms hang on it
        server = await loop.create_server(connection, sock=listener.dup(), start_serving=False)
    try:
        for each in server.sockets:
            if (why := refuse(each.getsockname()[0])) is not None:
                raise OSError(why)
        await server.start_serving()
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        with anyio.CancelScope(shield=True):
            await _cut(state)


async def _cut(state: Any) -> None:
    """End every connection and wait until nothing runs for it any more."""
    for connection in list(state.connections):
        connection.transport.abort()
    running = list(state.tasks)
    if running:
        _, stubborn = await asyncio.wait(running, timeout=LAST_WORDS)
        for task in stubborn:
            task.cancel()
    await asyncio.sleep(0)
