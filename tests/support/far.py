"""The whole daemon on real sockets towards its engines: this machine's Ollama and one elsewhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from innkeepd.app import open_app
from innkeepd.config.schema import (
    BackendConfig,
    BackendTimeouts,
    Config,
    HttpConfig,
    MemoryConfig,
    OllamaConfig,
    RoleConfig,
    default_roles,
)
from innkeepd.machine.power import Awake, NoPower
from support.daemon import Daemon

NEAR = "tiny:latest"


def chain(ollama: str, url: str, model: str, *, token: str = "", **timeouts: float) -> Config:
    """General goes to ``far/MODEL`` first, then to the tiny model here."""
    far = BackendConfig(name="far", url=url, token=token, models=(model,), timeouts=BackendTimeouts(**timeouts))
    return Config(
        ollama=OllamaConfig(url=ollama),
        roles=default_roles() | {"general": RoleConfig(primary=f"far/{model}", fallbacks=(NEAR,))},
        memory=MemoryConfig(budget=2 * 2**30),
        http=HttpConfig(enabled=False),
        backends=(far,),
    )


@asynccontextmanager
async def open_far_house(said: Config, home: Path) -> AsyncIterator[Daemon]:
    """A daemon at work, its control socket in memory."""
    async with (
        anyio.create_task_group() as tasks,
        open_app(said, tasks, simulator=None, journal=None, home=home) as app,
    ):
        app.control.awake = Awake(NoPower())
        nobody: Any = None
        daemon = Daemon(nobody, app, tasks)
        tasks.start_soon(app.control.run)
        tasks.start_soon(app.elsewhere.run)
        yield daemon
        tasks.cancel_scope.cancel()
