"""A machine for the tests of ``init``, ``fit`` and ``pull``: 27 GiB for models, and an Ollama."""

import io
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

from innkeepd.backends.backend import BackendFault
from innkeepd.config.schema import Config
from innkeepd.policy.memory.budget import GIB, Budget, MemoryPolicy
from innkeepd.service.cli import World
from innkeepd.service.facts import Ollama
from innkeepd.setup.situation import Situation

URL = "http://127.0.0.1:11434"


def situation(pulled, folder: Path, *, reachable: bool = True, config: Config | None = None, **changes) -> Situation:
    """``pulled`` models on a machine whose models may take 27 GiB; config.toml lies in ``folder``."""
    budget = Budget(27 * GIB, 27 * GIB, 4 * GIB, 36 * GIB, None, "", ())
    ollama = Ollama(URL, reachable=reachable, version="0.33.0", pulled=list(pulled))
    fields = {"file": folder / "config.toml", "free": 27 * GIB} | changes
    return Situation(config or Config(), MemoryPolicy(), budget, ollama=ollama, **fields)


def world(said: list, environ: dict | None = None) -> World:
    """Where ``said`` gets what is printed."""
    return World(environ or {}, 501, "linux", say=said.append)


async def no_registry(_name):
    """A registry that nobody reaches."""


class Puller:
    """An Ollama as far as ``/api/pull`` asks: these lines, cut anywhere."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks, self.asked, self.closed = chunks, [], False

    @asynccontextmanager
    async def forward(self, method, path, body=None, headers=None):
        self.asked.append((method, path, body))
        if not self.chunks:
            raise BackendFault("backend_unreachable", "connection refused")

        async def chunks():
            for chunk in self.chunks:
                yield chunk

        yield SimpleNamespace(chunks=chunks, status=200)

    async def aclose(self):
        self.closed = True


class Screen(io.StringIO):
    """Standard error of a terminal."""

    def isatty(self) -> bool:
        return True
