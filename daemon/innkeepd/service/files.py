"""The service's files: the folders, the plist written whole or not at all, and what an uninstall takes away."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from innkeepd.errors import DaemonError
from innkeepd.lock import Lock
from innkeepd.service.paths import Paths

PRIVATE = 0o700
CRASH_LOG_LIMIT = 2**20
"""Bytes of ``crash.log`` beyond which it is put aside at the next start: launchd only appends."""

STATE = ("state.sqlite3", "state.sqlite3-wal", "state.sqlite3-shm", "token")
"""In the home folder: history, pins, what was learned of the models, and the HTTP port's token."""

TRACES = ("innkeepd.lock",)
"""In the home folder: worth nothing without the daemon."""

LOCKS = "locks"
"""In the home folder: a lock for each Ollama that was kept, which daemons of other homes hold too."""

LOGS = ("innkeepd.log*", "crash.log*")


def make_ready(paths: Paths) -> None:
    """Make the folders (home, socket's and logs' for their owner only) and put a long ``crash.log`` aside."""
    for folder in (paths.home, paths.logs):
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    paths.socket.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    if stat.S_IMODE(paths.home.stat().st_mode) & 0o077:
        paths.home.chmod(PRIVATE)
    with contextlib.suppress(FileNotFoundError):
        if paths.crash_log.stat().st_size > CRASH_LOG_LIMIT:
            paths.crash_log.replace(paths.crash_log.with_name("crash.log.1"))


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> bool:
    """Bring ``path`` to ``content``: beside it first, then renamed over it. Whether anything changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        if path.read_bytes() == content and stat.S_IMODE(path.stat().st_mode) == mode:
            return False
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return True


def remove_socket(paths: Paths) -> bool:
    """Delete a socket that nobody listens on: launchd leaves it behind, and stumbles over it at the next bootstrap."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(paths.socket.lstat().st_mode):
            paths.socket.unlink()
            return True
    return False


def clear_away(paths: Paths, *, keep_state: bool) -> tuple[list[Path], list[Path]]:
    """Delete what the daemon made, by name, never a whole folder: (what went, what stays).

    The configuration and whatever else lies there stay; ``keep_state`` keeps history, token and logs too.
    """
    doomed = [paths.home / name for name in TRACES]
    if not keep_state:
        doomed += [paths.home / name for name in STATE]
        doomed += [path for pattern in LOGS for path in sorted(paths.logs.glob(pattern))]
    gone = [path for path in doomed if _unlink(path)]
    gone += [path for path in sorted((paths.home / LOCKS).glob("*.lock")) if _is_free(path) and _unlink(path)]
    for folder in (paths.logs, paths.home / LOCKS, paths.home):
        with contextlib.suppress(OSError):
            folder.rmdir()  # only an empty one goes
    left = [path for folder in (paths.home, paths.logs) if folder.is_dir() for path in sorted(folder.iterdir())]
    return gone, [path for path in left if path != paths.logs]


def tail(path: Path, lines: int, most: int = 64 * 1024) -> list[str]:
    """The last lines of a text file, reading at most its last ``most`` bytes; none where it can't be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def _is_free(path: Path) -> bool:
    """Whether no daemon holds this lock."""
    try:
        Lock(path).release()
    except DaemonError:
        return False
    return True


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
