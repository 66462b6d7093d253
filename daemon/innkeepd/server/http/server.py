"""The HTTP port on real sockets, inside the daemon's own event loop. asyncio only.

Uvicorn's protocol does the HTTP. Its server is left out: it would take over the signals, tick ten times a second and
wait when it stops, and a daemon that sleeps most of the day wants none of that.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio

from innkeepd.chat.dispatch import Dispatcher
from innkeepd.config.address import is_loopback
from innkeepd.config.schema import HttpConfig
from innkeepd.residency.control import ResidencyControl
from innkeepd.server.http.app import HttpApp

KEEP_ALIVE = 75
"""Seconds that a client's connection is kept between two requests."""
LAST_WORDS = 1.0
"""Seconds for requests to end once the port is closed."""


def must_stay_closed(config: HttpConfig) -> str | None:
    """Why nothing may listen with this configuration; None where it may."""
    if is_loopback(config.host) or config.token:
        return None
    return f"the HTTP port stays closed: {config.host} can be reached from elsewhere and [http] token is not set"


async def serve_http(
    config: HttpConfig,
    journey: Dispatcher,
    keeper: ResidencyControl,
    *,
    warn: Callable[[str], object] = print,
    opened: Callable[[], object] = lambda: None,
) -> str:
    """Serve until cancelled; gives back why it cannot be, where it cannot, and the control socket serves on.

    ``warn`` is told of our own faults, ``opened`` is called once the port listens. The caller may try again later,
    but for what ``must_stay_closed`` says.
    """
    forbidden = must_stay_closed(config)
    if forbidden is not None:
        return forbidden
    why = ""
    try:
        app = HttpApp(config, journey, keeper, warn=warn)
        async with serving(app, config.host, config.port, loopback_only=not config.token):
            opened()
            await app.shelf.warm_up()
            await anyio.sleep_forever()
    except OSError as error:
        # asyncio's own text names the address once more, and for some faults there is no other.
        why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else error.strerror or str(error)
    except UnicodeError:
        why = "that is no host's name, see [http] host"
    return f"the HTTP port stays closed: {config.host}:{config.port}: {why}"


@asynccontextmanager
async def serving(app: HttpApp, host: str, port: int, *, loopback_only: bool = False) -> AsyncIterator[int]:
    """Serve an app and give its port; port 0 takes a free one. Raises ``OSError`` where the port cannot be had.

    ``loopback_only``: raises it too where ``host``, whatever it is called, resolves to an address that other machines
    reach; nothing has listened there then.
    Leaving the context, or cancelling it, closes the port and ends what is still being answered.
    """
    protocol, state = await anyio.to_thread.run_sync(_protocol, app)
    # Not a socket of our own: asyncio sets TCP_NODELAY only on those that it has made, and 40 ms hang on it.
    server = await asyncio.get_running_loop().create_server(protocol, host.strip("[]"), port, start_serving=False)
    try:
        wide = [place for each in server.sockets if not is_loopback(place := each.getsockname()[0])]
        if loopback_only and wide:
            raise OSError(f"{wide[0]} can be reached from elsewhere and [http] token is not set")
        await server.start_serving()
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        with anyio.CancelScope(shield=True):
            await _cut(state)


def _protocol(app: HttpApp) -> tuple[Callable[[], asyncio.Protocol], Any]:
    """Uvicorn's protocol for this app; its import is slow and so happens in a thread."""
    import uvicorn  # noqa: PLC0415 - see above
    from uvicorn.server import ServerState  # noqa: PLC0415

    from innkeepd.server.http.connection import Connection  # noqa: PLC0415

    config = uvicorn.Config(
        cast("Any", app),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    config.load()
    state = ServerState()
    return lambda: Connection(config, state, {}), state


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
