"""One daemon an Ollama, also across home folders and users: two would each load a heavy model.

A daemon holds two things while it runs. The lock file below ``$HOME`` parts the daemons of one user without a race.
A listening socket in the shared folder (``/tmp``) parts the users; no user can tamper with another's:

- The kernel says who owns a socket file (``lstat``) and whether a process listens on it (``connect``). Nothing is read
  from a file, so there is nothing to forge, and links are not followed.
- The folder is sticky, so nobody but root removes another user's file, and the name ends in random digits, so nobody
  takes its place beforehand.
- Each daemon listens first and looks for others then: of two that start together at least one sees the other.

What another user can do is to listen under such a name: the daemon then refuses to start and names that user.
"""

import os
import pwd
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from random import uniform
from secrets import token_hex
from urllib.parse import urlsplit

import anyio

from innkeepd.errors import DaemonError
from innkeepd.lock import AlreadyRunning, Lock

SHARED = Path("/tmp")  # noqa: S108 - sticky; see the module's docstring
"""A folder that every user of the machine sees. macOS too: what is private to a user there is ``$TMPDIR``."""
PREFIX = "innkeep-ollama-"
TRIES = 3
"""Starts of a daemon that meets another one: two that start together both give way, and try again."""
GIVE_WAY = (0.05, 0.5)
"""Seconds between two tries, drawn at random."""
RENEW_EVERY = 30.0
"""Seconds between two checks that the socket's file is still there: a clean-up of the folder may have removed it."""


def key_of(url: str) -> str:
    """One name for every spelling of an Ollama's address, fit for a file's name."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    host = "loopback" if _is_here(host) else host
    return re.sub("[^A-Za-z0-9._-]", "-", f"{host}-{parts.port or 80}{parts.path.rstrip('/')}")[:60]


def _is_here(host: str) -> bool:
    """Whether a host is this machine: a loopback name, this machine's own name, or an address that it can bind."""
    if host in {"localhost", socket.gethostname().lower(), "0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
        return True


def lock_ollama(url: str, folder: Path) -> Lock:
    """Lock an Ollama among this user's daemons; ``folder`` keeps such locks.

    Raises ``AlreadyRunning``, and ``DaemonError`` where the file cannot be made.
    """
    try:
        return Lock(folder / f"ollama-{key_of(url)}.lock")
    except AlreadyRunning as running:
        text = f"another innkeepd, with another home, owns the Ollama at {url} ({running.pid})"
        remedy = "stop it, or give one of the two an Ollama of its own ([ollama] url)"
        raise AlreadyRunning(f"{text}; {remedy}", running.pid) from None


class Ownership:
    """A socket in the shared folder that tells other daemons, of any user, that this one owns an Ollama."""

    def __init__(self, url: str, folder: Path = SHARED) -> None:
        """Listen, then look for others.

        Raises ``AlreadyRunning`` where another daemon owns the Ollama, ``DaemonError`` where the folder is of no use.
        """
        self._folder = folder
        self._prefix = f"{PREFIX}{key_of(url)}-"
        self._path, self._listener = self._listen()
        try:
            for owner in self._others():
                who = _name_of(owner)
                text = f"another innkeepd, run by {who}, owns the Ollama at {url}"
                remedy = "stop it, or give one of the two an Ollama of its own ([ollama] url)"
                raise AlreadyRunning(f"{text}; {remedy}", who)
        except BaseException:
            self.release()
            raise

    def __repr__(self) -> str:
        return f"Ownership({self._path})"

    def _listen(self) -> tuple[Path, socket.socket]:
        _refuse_unsafe(self._folder)
        path = self._folder / f"{self._prefix}{token_hex(4)}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.bind(str(path))
            path.chmod(0o666)  # to connect takes the right to write, on Linux and on macOS
            listener.listen(128)
        except OSError as error:
            listener.close()
            raise DaemonError(f"cannot listen at {path}: {error.strerror or error}") from None
        return path, listener

    def _others(self) -> Iterator[int]:
        """The users whose daemons own the same Ollama; removes what killed daemons of this user left."""
        for path in self._folder.glob(f"{PREFIX}*"):
            try:
                found = path.lstat()
            except OSError:
                continue
            if path == self._path or not stat.S_ISSOCK(found.st_mode):
                continue
            is_ours = found.st_uid == os.getuid()
            if not (is_ours or path.name.startswith(self._prefix)):
                continue
            if not is_alive(path):
                with suppress(OSError):
                    if is_ours:
                        path.unlink()
            elif path.name.startswith(self._prefix):
                yield found.st_uid

    async def keep(self) -> None:
        """Answer those who look, and listen anew where the file was removed. Runs until cancelled."""
        while True:
            with anyio.move_on_after(RENEW_EVERY):
                await self._answer()
            self._renew()

    def _renew(self) -> None:
        if not os.path.lexists(self._path):
            path, listener = self._listen()
            self._listener.close()
            self._path, self._listener = path, listener

    async def _answer(self) -> None:
        """Take connections off the queue, so that nobody fills it: macOS refuses then, as for a dead socket."""
        while True:
            await anyio.wait_readable(self._listener)
            try:
                self._listener.accept()[0].close()
            except OSError:
                await anyio.sleep(1.0)

    def release(self) -> None:
        """Stop listening and remove the file."""
        with suppress(OSError):
            self._path.unlink()
        self._listener.close()


def is_alive(path: Path) -> bool:
    """Whether a process listens on a socket: a dead one refuses; a busy or forbidden one counts as alive."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
        return True


def _refuse_unsafe(folder: Path) -> None:
    """A folder in which others may remove our file would hide us from them."""
    try:
        found = folder.stat()
    except OSError as error:
        raise DaemonError(f"cannot use {folder}: {error.strerror}") from None
    others_write = bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    if found.st_uid not in {0, os.getuid()} or (others_write and not found.st_mode & stat.S_ISVTX):
        raise DaemonError(f"others may remove files from {folder}")


def _name_of(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user with uid {uid}"


async def take_ownership(url: str, folder: Path = SHARED) -> Ownership:
    """An ``Ownership``; two daemons that start together both give way and try again. Raises as ``Ownership`` does."""
    for _ in range(TRIES - 1):
        with suppress(AlreadyRunning):
            return Ownership(url, folder)
        await anyio.sleep(uniform(*GIVE_WAY))  # noqa: S311 - no secret
    return Ownership(url, folder)
