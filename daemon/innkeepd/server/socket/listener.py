"""The control socket: bound by us or handed over by launchd or systemd; only the owner may speak."""

import os
import resource
import socket
import stat
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketListener

from innkeep import wire
from innkeep.framing import encode
from innkeepd.errors import DaemonError
from innkeepd.server.socket.session import Session, Verb
from innkeepd.supervision import described

CONNECTIONS = 5120
"""Connections at a time at most; each holds a descriptor and some KB. Only the owner's uid may open any."""
SPARED = 512
"""Descriptors left to everything else: the HTTP port (256 connections), Ollama, files."""
BREATH = 0.1
"""Seconds until the next try where no connection can be accepted."""
SOL_LOCAL, LOCAL_PEERCRED, XUCRED = 0, 1, "=IIh2x16I"
"""macOS: ``getsockopt(SOL_LOCAL, LOCAL_PEERCRED)`` gives ``struct xucred``, 76 bytes, the uid at offset 4.

Python has no names for these.
"""


class SocketTaken(DaemonError):
    """The socket's place cannot be had; the message says whose it is."""


def peer_uid(connection: socket.socket, platform: str = sys.platform) -> int | None:
    """Who is at the other end; None where the system does not tell, and then it is nobody who may come in."""
    try:
        if platform == "darwin":
            credentials = connection.getsockopt(SOL_LOCAL, LOCAL_PEERCRED, struct.calcsize(XUCRED))
            return int(struct.unpack_from("=I", credentials, 4)[0])
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    except (OSError, AttributeError):
        return None


def connections_allowed() -> int:
    """How many connections the control socket takes: as many as this process has descriptors for, or fewer."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = CONNECTIONS if soft == resource.RLIM_INFINITY else max(soft // 2, soft - SPARED)
    return min(CONNECTIONS, spare)


def bind(path: Path) -> socket.socket:
    """A listening socket at ``path``, mode 0600; a stale one is removed, and a missing folder made with mode 0700.

    A folder that exists keeps its mode: it may be there for others, too. Raises ``SocketTaken`` where somebody listens
    already, something that is no socket stands there, others may replace what stands there, or it cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_unsafe(path.parent)
        if path.is_symlink() or (path.exists() and not stat.S_ISSOCK(path.lstat().st_mode)):
            raise SocketTaken(f"{path} is in the way and is not a socket; move it away")
        if _is_answered(path):
            raise SocketTaken(f"another innkeepd listens at {path}; stop it, or set INNKEEP_SOCKET to another place")
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        except BaseException:
            listener.close()
            raise
        finally:
            os.umask(before)
        listener.listen(128)
    except OSError as error:
        raise SocketTaken(f"cannot listen at {path}: {error.strerror or error}") from None
    return listener


def _refuse_unsafe(folder: Path) -> None:
    """Who may write to the folder may put a socket of his own in the place of ours, but for a folder like /tmp."""
    found = folder.stat()
    others_write = bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) and not found.st_mode & stat.S_ISVTX
    if found.st_uid not in {0, os.getuid()} or others_write:
        raise SocketTaken(
            f"others may replace a socket in {folder}; set INNKEEP_SOCKET to a place in a folder of yours"
        )


def _is_answered(path: Path) -> bool:
    """Whether somebody listens at a socket that exists: only a dead one refuses, a busy one lets wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


def identity(path: Path) -> tuple[int, int]:
    """Which file stands at ``path`` (device, inode): ours, as long as nobody has replaced it."""
    found = path.lstat()
    return found.st_dev, found.st_ino


def unbind(path: Path, ours: tuple[int, int]) -> None:
    """Remove the socket at ``path`` where it is still ours; another daemon's stays."""
    with suppress(OSError):
        if identity(path) == ours:
            path.unlink()


async def listen(
    raw: socket.socket,
    verbs: Mapping[type, Verb],
    *,
    patience: Callable[[], float],
    attend: Callable[[int], None],
    owner: int | None = None,
    warn: Callable[[str], object] = lambda _text: None,
) -> None:
    """Serve every connection until cancelled. ``attend`` is told how many there are, ``warn`` of our own faults."""
    door = Acceptor(verbs, patience=patience, attend=attend, owner=os.getuid() if owner is None else owner, warn=warn)
    listener = await SocketListener.from_socket(raw)
    async with listener:
        await _accept(listener, door)


async def _accept(listener: anyio.abc.SocketListener, door: "Acceptor") -> None:
    """For ever. A process that is out of descriptors waits for one instead of falling over."""
    async with anyio.create_task_group() as tasks:
        while True:
            try:
                stream = await listener.accept()
            except (OSError, anyio.BrokenResourceError):
                await anyio.sleep(BREATH)
            else:
                tasks.start_soon(door.welcome, stream)


class Acceptor:
    """Accepts connections of the owner's uid, at most ``connections_allowed()`` at a time, and counts them.

    ``patience``: seconds that a client may leave unread what it is sent, as the configuration says now.
    """

    def __init__(
        self,
        verbs: Mapping[type, Verb],
        *,
        patience: Callable[[], float],
        attend: Callable[[int], None],
        owner: int,
        warn: Callable[[str], object] = lambda _text: None,
    ) -> None:
        self._verbs = verbs
        self._patience = patience
        self._attend = attend
        self._owner = owner
        self._warn = warn
        self._connected = 0
        self._most = connections_allowed()

    async def welcome(self, stream: ByteStream) -> None:
        """Serve one connection to its end; a fault of one never reaches another."""
        raw = stream.extra(SocketAttribute.raw_socket, None)
        if raw is not None and peer_uid(raw) != self._owner:
            await _refuse(stream, "forbidden", "only the user who runs innkeepd may speak here")
            return
        if self._connected >= self._most:
            await _refuse(stream, "queue_full", f"{self._most} connections are open; close some, or try again")
            return
        self._connected += 1
        self._attend(self._connected)
        try:
            await Session(stream, self._verbs, patience=self._patience).run()
        except Exception as error:  # noqa: BLE001
            self._warn(f"a fault of innkeepd itself on a connection: {described(error)}")
        finally:
            self._connected -= 1
            self._attend(self._connected)


async def _refuse(stream: ByteStream, code: str, message: str) -> None:
    """Answer whatever is said first with an error, in its dialect, and close the connection."""
    error = wire.Error(id=None, code=code, message=message, retryable=code == "queue_full")
    with anyio.move_on_after(1.0):
        try:
            said = await stream.receive()
            await stream.send(encode(error, "frames" if said[:1] == b"\0" else "lines"))
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass
    await stream.aclose()
