"""Ask whoever listens on the socket who it is: one JSON line out, one back.

This is the only proof that the daemon works: a job with a pid may be starting, stuck, or answering ``bad_config``.
"""

import json
import socket
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from innkeep.wire import BackendState, MemoryState

HELLO = b'{"type":"hello","id":1,"protocol":1,"client":"innkeep service"}\n'
STATUS = b'{"type":"status","id":1}\n'
LONGEST = 64 * 1024


class Answer(Struct, frozen=True):
    """What the socket said.

    ``how``: ``welcome`` (``version`` and ``pid`` are set), ``error`` (``code`` and ``message``), ``silent``
    (connected, no answer in time), ``refused`` (a file, nobody behind it), ``forbidden`` (no permission), ``absent``
    (no file).
    """

    how: Literal["welcome", "error", "silent", "refused", "forbidden", "absent"]
    version: str | None = None
    pid: int | None = None
    code: str | None = None
    message: str | None = None

    @property
    def is_alive(self) -> bool:
        """Whether somebody listens there."""
        return self.how in ("welcome", "error", "silent")


class Kept(Struct, frozen=True):
    """What the running daemon was configured with, as its status tells.

    ``url`` is its Ollama's; ``simulated`` the memory of the machine that it pretends, if it does; ``config_file`` and
    ``http`` are the wire's, None where an older daemon does not tell.
    """

    url: str
    simulated: MemoryState | None = None
    config_file: str | None = None
    http: str | None = None
    descriptors: int = 0


class _Status(Struct, frozen=True):
    backend: BackendState
    memory: MemoryState
    config_file: str | None = None
    http: str | None = None
    descriptors: int = 0


def probe(path: Path, timeout: float = 2.0) -> Answer:
    """Say hello at the socket and wait at most ``timeout`` seconds for each step."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout)
        try:
            line.connect(str(path))
            line.sendall(HELLO)
            return _understand(_first_line(line))
        except FileNotFoundError:
            return Answer("absent")
        except (ConnectionRefusedError, NotADirectoryError):
            return Answer("refused")
        except PermissionError:
            return Answer("forbidden")
        except OSError:  # time-outs, and whoever hangs up on us
            return Answer("silent")


def kept_by(path: Path, timeout: float = 2.0) -> Kept | None:
    """What the daemon keeps; None where nobody tells."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout)
        try:
            line.connect(str(path))
            line.sendall(STATUS)
            said = msgspec.json.decode(_first_line(line), type=_Status)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        memory = said.memory if said.backend.simulated else None
        return Kept(said.backend.url, memory, said.config_file, said.http, said.descriptors)


def _first_line(line: socket.socket) -> bytes:
    got = b""
    while b"\n" not in got and len(got) < LONGEST:
        piece = line.recv(4096)
        if not piece:
            break
        got += piece
    return got.split(b"\n", 1)[0]


def _understand(reply: bytes) -> Answer:
    try:
        said: Any = json.loads(reply)
    except ValueError:
        return Answer("silent")
    if not isinstance(said, dict):
        return Answer("silent")
    if said.get("type") == "error":
        return Answer("error", code=str(said.get("code", "")), message=str(said.get("message", "")))
    pid = said.get("pid")
    return Answer("welcome", version=str(said.get("daemon", "")), pid=pid if isinstance(pid, int) else None)
