"""Where innkeep keeps its things. Nothing here looks at the disk.

An environment variable that is empty counts as unset; ``~`` is the user's home folder.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from innkeep.errors import BadConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "MAX_SOCKET_PATH",
    "config_path",
    "expanded",
    "home",
    "lock_path",
    "log_folder",
    "socket_name",
    "socket_path",
    "state_path",
]

MAX_SOCKET_PATH = 103
"""Bytes of a Unix socket's path: macOS has 104 for ``sun_path``, the last of them 0."""


def home(env: Mapping[str, str] | None = None) -> Path:
    """``$INNKEEP_HOME``, else ``~/.innkeep``; each function takes an environment other than the process's own."""
    return _path(_home(env))


def socket_path(env: Mapping[str, str] | None = None) -> Path:
    """``$INNKEEP_SOCKET``, else ``innkeepd.sock`` in the home folder; raises ``BadConfig`` if it is too long."""
    return _path(socket_name(env=env))


def socket_name(path: str | os.PathLike[str] | None = None, *, env: Mapping[str, str] | None = None) -> str:
    """``path``, or without one ``socket_path``, as text; raises ``BadConfig`` if the system could not use it."""
    chosen = expanded(path, env) if path else _variable("INNKEEP_SOCKET", env) or f"{_home(env)}/innkeepd.sock"
    length = len(os.fsencode(chosen))
    if length > MAX_SOCKET_PATH:
        raise BadConfig(
            f"the socket's path has {length} bytes, the most is {MAX_SOCKET_PATH}: {chosen}; "
            "set INNKEEP_SOCKET or INNKEEP_HOME to a shorter one"
        )
    return chosen


def config_path(env: Mapping[str, str] | None = None) -> Path:
    """``$INNKEEP_CONFIG``, else ``config.toml`` in the home folder."""
    return _path(_variable("INNKEEP_CONFIG", env) or f"{_home(env)}/config.toml")


def state_path(env: Mapping[str, str] | None = None) -> Path:
    """The database of decision records, pins and what was learned."""
    return home(env) / "state.sqlite3"


def lock_path(env: Mapping[str, str] | None = None) -> Path:
    """Held by the one running daemon."""
    return home(env) / "innkeepd.lock"


def log_folder(env: Mapping[str, str] | None = None, platform: str = "") -> Path:
    """``~/Library/Logs/innkeep`` on macOS, ``logs`` in the home folder elsewhere."""
    if (platform or sys.platform) == "darwin":
        return _path(expanded("~/Library/Logs/innkeep", env))
    return home(env) / "logs"


def expanded(path: str | os.PathLike[str], env: Mapping[str, str] | None = None) -> str:
    """``path`` with a leading ``~`` replaced by the user's home folder."""
    text = os.fspath(path)
    own = env.get("HOME") if env is not None else None
    if own and (text == "~" or text.startswith("~/")):
        return own + text[1:]
    return os.path.expanduser(text)  # noqa: PTH111  # without pathlib, see _path


def _home(env: Mapping[str, str] | None) -> str:
    return _variable("INNKEEP_HOME", env) or expanded("~/.innkeep", env)


def _variable(name: str, env: Mapping[str, str] | None) -> str | None:
    value = (os.environ if env is None else env).get(name)
    return expanded(value, env) if value else None


def _path(text: str) -> Path:
    from pathlib import Path  # noqa: PLC0415  # costs a command 4 ms at its start, and the clients do without

    return Path(text)
