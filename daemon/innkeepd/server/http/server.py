"""The HTTP port on real sockets: opened where the configuration lets it, with the reason where it cannot be."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from errno import EADDRINUSE
from socket import socket

import anyio
from anyio.abc import SocketAttribute

from innkeepd.chat.dispatch import Dispatcher
from innkeepd.config.address import is_loopback
from innkeepd.config.schema import HttpConfig
from innkeepd.machine import asgi_port
from innkeepd.residency.control import ResidencyControl
from innkeepd.server.http.app import HttpApp
from innkeepd.server.http.ui.dashboard import Dashboard

PROBE = 1.0
"""Seconds that a connection to our own machine may take before nobody is taken to listen."""
KEEP_ALIVE = 75
"""Seconds that a client's connection is kept between two requests."""


def must_stay_closed(config: HttpConfig) -> str | None:
    """Why nothing may listen with this configuration; None where it may."""
    if is_loopback(config.host) or config.token:
        return None
    return f"the HTTP port stays closed: {config.host} can be reached from elsewhere and [http] token is not set"


async def serve_http(
    config: HttpConfig,
    dispatcher: Dispatcher,
    control: ResidencyControl,
    *,
    warn: Callable[[str], object] = print,
    opened: Callable[[], object] = lambda: None,
    dashboard: Dashboard | None = None,
    listener: socket | None = None,
) -> str:
    """Serve until cancelled; gives back why it cannot be, where it cannot, and the control socket serves on.

    ``listener`` is the port's socket where the service manager has opened it. ``warn`` is told of our own faults,
    ``opened`` is called once the port listens. The caller may try again later, but for what ``must_stay_closed`` says.
    """
    forbidden = must_stay_closed(config)
    if forbidden is not None:
        return forbidden
    why = ""
    try:
        app = HttpApp(config, dispatcher, control, warn=warn, dashboard=dashboard)
        if listener is None and config.port and is_loopback(config.host) and await answers("127.0.0.1", config.port):
            raise OSError(EADDRINUSE, os.strerror(EADDRINUSE))
        async with serving(app, config.host, config.port, loopback_only=not config.token, listener=listener):
            opened()
            if config.host == "127.0.0.1" and config.port and await answers("::1", config.port):
                warn(f"another program answers at [::1]:{config.port}: tools that say `localhost` may reach that one")
            with app.metrics.listening():
                await app.model_list.warm_up()
                await anyio.sleep_forever()
    except OSError as error:
        # asyncio's own text names the address once more, and for some faults there is no other.
        why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else error.strerror or str(error)
    except UnicodeError:
        why = "that is no host's name, see [http] host"
    return f"the HTTP port stays closed: {config.host}:{config.port}: {why}"


async def answers(host: str, port: int) -> bool:
    """Whether a program listens there already.

    Binding does not tell: on macOS a socket on 127.0.0.1 is bound beside another of the same user on all addresses.
    """
    try:
        with anyio.fail_after(PROBE):
            async with await anyio.connect_tcp(host, port) as line:
                ends = line.extra_attributes
                # A port that nobody listens at may be connected to itself, where the kernel picks it as the source.
                return bool(ends[SocketAttribute.local_address]() != ends[SocketAttribute.remote_address]())
    except (OSError, TimeoutError):
        return False


def serving(
    app: HttpApp, host: str, port: int, *, loopback_only: bool = False, listener: socket | None = None
) -> AbstractAsyncContextManager[int]:
    """Serve an app, see ``asgi_port.serving``; ``loopback_only``: raise ``OSError`` where others could reach it."""

    def refuse(address: str) -> str | None:
        if not loopback_only or is_loopback(address):
            return None
        return f"{address} can be reached from elsewhere and [http] token is not set"

    return asgi_port.serving(app, host, port, _protocol, keep_alive=KEEP_ALIVE, refuse=refuse, listener=listener)


def _protocol() -> type[asyncio.Protocol]:
    """The protocol of one connection; its import brings uvicorn's."""
    from innkeepd.server.http.connection import Connection  # noqa: PLC0415

    return Connection
