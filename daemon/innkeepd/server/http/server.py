"""The HTTP port on real sockets: opened where the configuration lets it, with the reason where it cannot be."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import anyio

from innkeepd.chat.dispatch import Dispatcher
from innkeepd.config.address import is_loopback
from innkeepd.config.schema import HttpConfig
from innkeepd.machine import asgi_port
from innkeepd.residency.control import ResidencyControl
from innkeepd.server.http.app import HttpApp
from innkeepd.server.http.ui.dashboard import Dashboard

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
        app = HttpApp(config, dispatcher, control, warn=warn, dashboard=dashboard)
        async with serving(app, config.host, config.port, loopback_only=not config.token):
            opened()
            with app.metrics.listening():
                await app.model_list.warm_up()
                await anyio.sleep_forever()
    except OSError as error:
        # asyncio's own text names the address once more, and for some faults there is no other.
        why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else error.strerror or str(error)
    except UnicodeError:
        why = "that is no host's name, see [http] host"
    return f"the HTTP port stays closed: {config.host}:{config.port}: {why}"


def serving(app: HttpApp, host: str, port: int, *, loopback_only: bool = False) -> AbstractAsyncContextManager[int]:
    """Serve an app, see ``asgi_port.serving``; ``loopback_only``: raise ``OSError`` where others could reach it."""

    def refuse(address: str) -> str | None:
        if not loopback_only or is_loopback(address):
            return None
        return f"{address} can be reached from elsewhere and [http] token is not set"

    return asgi_port.serving(app, host, port, _protocol, keep_alive=KEEP_ALIVE, refuse=refuse)


def _protocol() -> type[asyncio.Protocol]:
    """The protocol of one connection; its import brings uvicorn's."""
    from innkeepd.server.http.connection import Connection  # noqa: PLC0415

    return Connection
