"""The daemon as a process of its own, in a home of its own; and one that speaks to its socket in lines."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0


@contextmanager
def short_home() -> Iterator[Path]:
    """A folder whose path is short enough for a socket on macOS."""
    folder = Path(tempfile.mkdtemp(prefix="ik"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def environment(home: Path) -> dict[str, str]:
    """Where nothing of this machine's own innkeep is seen."""
    paths = os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")])
    environ = os.environ | {"INNKEEP_HOME": str(home), "HOME": str(home), "PYTHONPATH": paths}
    for name in ("INNKEEP_SOCKET", "INNKEEP_CONFIG", "OLLAMA_HOST", "LISTEN_PID", "LISTEN_FDS", "XPC_SERVICE_NAME"):
        environ.pop(name, None)
    return environ


class Process:
    """A daemon process, or ``code`` that runs one; ``began`` is the instant of its start."""

    def __init__(self, home: Path, *arguments: str, code: str | None = None) -> None:
        self.home = home
        self.began = time.monotonic()
        self.popen = subprocess.Popen(
            [sys.executable, *(["-m", "innkeepd.main"] if code is None else ["-c", code]), "run", *arguments],
            env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @property
    def socket(self) -> Path:
        return self.home / "innkeepd.sock"

    def connect(self) -> "Lines":
        """A connection to its socket, as soon as there is one."""
        deadline = time.monotonic() + PATIENCE
        while True:
            one = socket.socket(socket.AF_UNIX)
            one.settimeout(PATIENCE)
            try:
                one.connect(str(self.socket))
            except OSError:
                one.close()
                assert self.popen.poll() is None, self.popen.communicate()
                assert time.monotonic() < deadline, "the daemon does not listen"
            else:
                return Lines(one)

    def ask(self, **request: Any) -> dict[str, Any]:
        """The last reply to one request on a connection of its own."""
        with self.connect() as lines:
            return lines.ask(**request)

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for its end: exit status and what it said on stderr."""
        _, error = self.popen.communicate(timeout=PATIENCE)
        return self.popen.returncode, error


@contextmanager
def daemon(home: Path, *arguments: str, code: str | None = None) -> Iterator[Process]:
    """A running daemon, by Python ``code`` of the test's own if need be; killed where the test leaves it running."""
    process = Process(home, *arguments, code=code)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.communicate()


class Lines:
    """A connection in lines."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""
        self._last = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def say(self, **request: Any) -> int:
        self._last += 1
        self._connection.sendall(json.dumps({"id": self._last} | request).encode() + b"\n")
        return self._last

    def hear(self) -> dict[str, Any] | None:
        """The next reply; None where the daemon has closed the connection."""
        while b"\n" not in self._buffer:
            try:
                data = self._connection.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def until(self, *kinds: str) -> dict[str, Any]:
        """The next reply of one of these types."""
        while (reply := self.hear()) is not None:
            if reply["type"] in kinds:
                return reply
        raise AssertionError(f"the connection ended before {kinds}")

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask and hear the end."""
        self.say(**request)
        while (reply := self.hear()) is not None:
            if reply["type"] not in {"routed", "waiting", "loading", "started", "delta", "event"}:
                return reply
        raise AssertionError("the connection ended before the reply")

    def half_close(self) -> None:
        self._connection.shutdown(socket.SHUT_WR)
