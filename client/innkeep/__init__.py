"""innkeep: talk to the daemon that owns which model is in memory.

``Client`` blocks, ``AsyncClient`` runs on asyncio and trio; ``wire`` has every message, ``errors`` every failure. Each
is imported when it is first used, so that a blocking client never pays for anyio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from innkeep import errors, paths, wire
    from innkeep.blocking import Answer, Client
    from innkeep.client import AsyncAnswer, AsyncClient
    from innkeep.errors import InnkeepError
    from innkeep.wire import Message

__all__ = [
    "Answer",
    "AsyncAnswer",
    "AsyncClient",
    "Client",
    "InnkeepError",
    "Message",
    "errors",
    "paths",
    "wire",
]

_ROOMS = {
    "Answer": "blocking",
    "AsyncAnswer": "client",
    "AsyncClient": "client",
    "Client": "blocking",
    "InnkeepError": "errors",
    "Message": "wire",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = import_module(f"{__name__}.{_ROOMS.get(name, name)}")
    return getattr(room, name) if name in _ROOMS else room


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
