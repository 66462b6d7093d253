"""The HTTP port in memory, in front of the whole daemon in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from innkeepd.server.http.app import HttpApp
from support.asgi import AsgiClient, asgi_client
from support.daemon import Daemon, config, open_daemon


class HttpDaemon:
    """A daemon (``house``), its HTTP port (``app``), a client of it (``http``) and what it warned of."""

    def __init__(self, daemon: Daemon, app: HttpApp, http: AsgiClient, warnings: list[str]) -> None:
        self.daemon = daemon
        self.app = app
        self.http = http
        self.warnings = warnings

    def chat(self, model: str = "llama3.1:8b", text: str = "hello there", **more: Any) -> Any:
        """Start a native chat."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.http.start("POST", "/api/chat", body)


@asynccontextmanager
async def open_http_daemon(*, simulator: Any = None, transport: Any = None, **tables: Any) -> AsyncIterator[HttpDaemon]:
    """Open the port; nothing of the daemon's own may fail. ``tables`` as ``support.daemon.config`` takes them."""
    said = config(**tables)
    async with open_daemon(said, simulator=simulator, transport=transport) as daemon:
        await daemon.control.monitor.ready.wait()
        warnings: list[str] = []
        app = HttpApp(said.http, daemon.app.dispatcher, daemon.control, warn=warnings.append)
        with app.metrics.listening():
            async with asgi_client(app) as http:
                yield HttpDaemon(daemon, app, http, warnings)
        assert warnings == []
