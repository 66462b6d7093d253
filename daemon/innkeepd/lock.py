"""One daemon a home: a lock on a file that holds the pid of whoever has it."""

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from innkeepd.errors import DaemonError


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
        """Let go; the file stays, so that nobody locks a file that another has removed."""
        with suppress(OSError):
            os.ftruncate(self._file, 0)
        os.close(self._file)


def lock_ollama(url: str, folder: Path) -> Lock:
    """One daemon an Ollama: two with homes of their own would each load a heavy model. ``folder`` keeps such locks.

    Raises ``AlreadyRunning``, and ``DaemonError`` where the file cannot be made.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    host = "loopback" if host == "localhost" or host.startswith("127.") or host == "::1" else host
    name = re.sub("[^A-Za-z0-9._-]", "-", f"{host}-{parts.port or 80}{parts.path.rstrip('/')}")[:120]
    try:
        return Lock(folder / f"ollama-{name}.lock")
    except AlreadyRunning as running:
        text = f"another innkeepd, with another home, owns the Ollama at {url} ({running.pid})"
        remedy = "stop it, or give one of the two an Ollama of its own ([ollama] url)"
        raise AlreadyRunning(f"{text}; {remedy}", running.pid) from None
