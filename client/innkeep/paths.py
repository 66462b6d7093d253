"""Where innkeep keeps its things. Nothing here looks at the disk.

An environment variable that is empty counts as unset; ``~`` is the user's home folder.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from innkeep.errors import BadConfig

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "MAX_SOCKET_PATH",
    "config_path",
    "home",
    "lock_path",
    "log_folder",
    "socket_name",
    "socket_path",
    "state_path",
    "token_path",
]

MAX_SOCKET_PATH = 103
"""Bytes of a Unix socket's path: macOS has 104 for ``sun_path``, the last of them 0."""


def home() -> Path:
    """``$INNKEEP_HOME``, else ``~/.innkeep``."""
    return _path(_home())


def socket_path() -> Path:
    """``$INNKEEP_SOCKET``, else ``innkeepd.sock`` in the home folder; raises ``BadConfig`` if it is too long."""
    return _path(socket_name())


def socket_name(path: str | os.PathLike[str] | None = None) -> str:
    """``path``, or without one ``socket_path``, as text; raises ``BadConfig`` if the system could not use it."""
    chosen = _expanded(path) if path else _from_environment("INNKEEP_SOCKET") or f"{_home()}/innkeepd.sock"
    length = len(os.fsencode(chosen))
    if length > MAX_SOCKET_PATH:
        raise BadConfig(
            f"the socket's path has {length} bytes, the most is {MAX_SOCKET_PATH}: {chosen}; "
            "set INNKEEP_SOCKET or INNKEEP_HOME to a shorter one"
        )
    return chosen


def config_path() -> Path:
    """``$INNKEEP_CONFIG``, else ``config.toml`` in the home folder."""
    chosen = _from_environment("INNKEEP_CONFIG")
    return _path(chosen) if chosen else home() / "config.toml"


def state_path() -> Path:
    """The database of decision records, pins and what was learned."""
    return home() / "state.sqlite3"


def lock_path() -> Path:
    """Held by the one running daemon."""
    return home() / "innkeepd.lock"


def token_path() -> Path:
    """The secret of the HTTP port, where one was made."""
    return home() / "token"


def log_folder() -> Path:
    """``~/Library/Logs/innkeep`` on macOS, ``logs`` in the home folder elsewhere."""
    if sys.platform == "darwin":
        return _path(_expanded("~/Library/Logs/innkeep"))
    return home() / "logs"


def _home() -> str:
    return _from_environment("INNKEEP_HOME") or _expanded("~/.innkeep")


def _from_environment(name: str) -> str | None:
    value = os.environ.get(name)
    return _expanded(value) if value else None


def _expanded(path: str | os.PathLike[str]) -> str:
    return os.path.expanduser(os.fspath(path))  # noqa: PTH111  # without pathlib, see _path


def _path(text: str) -> Path:
    from pathlib import Path  # noqa: PLC0415  # costs a command 4 ms at its start, and the clients do without

    return Path(text)
