"""Where innkeep keeps its things. Nothing here looks at the disk.

An environment variable that is empty counts as unset; ``~`` is the user's home folder.
"""

import os
import sys
from pathlib import Path

from innkeep.errors import BadConfig

__all__ = [
    "MAX_SOCKET_PATH",
    "check_socket_path",
    "config_path",
    "home",
    "lock_path",
    "log_folder",
    "socket_path",
    "state_path",
    "token_path",
]

MAX_SOCKET_PATH = 103
"""Bytes of a Unix socket's path: macOS has 104 for ``sun_path``, the last of them 0."""


def home() -> Path:
    """``$INNKEEP_HOME``, else ``~/.innkeep``."""
    return _from_environment("INNKEEP_HOME") or Path("~/.innkeep").expanduser()


def socket_path() -> Path:
    """``$INNKEEP_SOCKET``, else ``innkeepd.sock`` in the home folder; raises ``BadConfig`` if it is too long."""
    return check_socket_path(_from_environment("INNKEEP_SOCKET") or home() / "innkeepd.sock")


def check_socket_path(path: Path) -> Path:
    """The same path; raises ``BadConfig`` if the system could not use it."""
    length = len(os.fsencode(path))
    if length > MAX_SOCKET_PATH:
        raise BadConfig(
            f"the socket's path has {length} bytes, the most is {MAX_SOCKET_PATH}: {path}; "
            "set INNKEEP_SOCKET or INNKEEP_HOME to a shorter one"
        )
    return path


def config_path() -> Path:
    """``$INNKEEP_CONFIG``, else ``config.toml`` in the home folder."""
    return _from_environment("INNKEEP_CONFIG") or home() / "config.toml"


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
        return Path("~/Library/Logs/innkeep").expanduser()
    return home() / "logs"


def _from_environment(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value).expanduser() if value else None
