"""What must hold before the daemon opens anything: a private home folder, one daemon a home, enough descriptors."""

import fcntl
import os
import resource
import stat
from contextlib import suppress
from pathlib import Path

import anyio

from innkeepd.errors import DaemonError

LOOK_EVERY = 30.0
"""Seconds between two looks whether the home folder is still there."""
MOST_DESCRIPTORS = 10_240
"""What is asked for where the hard limit is "unlimited": macOS takes no more (``OPEN_MAX`` in sys/syslimits.h)."""


class AlreadyRunning(DaemonError):
    """Another daemon keeps this home or this Ollama; the message names its ``pid``, "pid 17"."""

    def __init__(self, message: str, pid: str) -> None:
        super().__init__(message)
        self.pid = pid


class Lock:
    """Held until the process ends: the kernel lets go of it even after ``kill -9``."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises ``AlreadyRunning``, and ``DaemonError`` where the file cannot be made."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise DaemonError(f"cannot make the lock {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            text = f"innkeepd is already running for {path.parent} (pid {pid}); stop it with `innkeep shutdown`"
            raise AlreadyRunning(text, f"pid {pid}") from None
        with suppress(OSError):  # the pid is for people: on a full disk the lock holds without it
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Release the lock; the file stays, so that no process locks a file that another has removed."""
        with suppress(OSError):
            os.ftruncate(self._file, 0)
        os.close(self._file)


def claim(folder: Path) -> None:
    """Make the home folder, or see that it is ours alone; its mode becomes 0700.

    Raises ``DaemonError`` where it belongs to another user or where others may write to it: its files (a planted
    link, another user's socket) would be trusted.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.getuid():
            raise DaemonError(
                f"{folder} belongs to another user (uid {found.st_uid}); set INNKEEP_HOME to a folder of your own"
            )
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise DaemonError(
                f"others may write to {folder}; look at what is in it, then allow it no more: chmod go-w {folder}"
            )
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise DaemonError(f"cannot use the home folder {folder}: {error.strerror}") from None


async def until_gone(folder: Path) -> None:
    """Return once the folder was deleted, moved away or replaced by another."""
    before = _identity(folder)
    while before is not None and _identity(folder) == before:  # noqa: ASYNC110 - no event to wait for
        await anyio.sleep(LOOK_EVERY)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def raise_descriptors() -> None:
    """Allow this process as many open files as the system lets it; macOS begins with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft not in (resource.RLIM_INFINITY, wanted) and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptors() -> int:
    """How many files this process may open; 0 for no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if soft == resource.RLIM_INFINITY else soft
