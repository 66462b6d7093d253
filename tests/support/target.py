"""What the attack on processes needs: a daemon that may be starved and killed, an Ollama beside it, raw requests."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import psutil

from support.innkeepd import free_port
from support.process import ROOT, Lines
from support.second_user import NOBODY, as_nobody

UP_WITHIN = 30.0
LOOK_EVERY = 0.02
TIDY = {"name": "tiny:latest", "model": "tiny:latest", "size": 222_240, "digest": "d0"}
PAUSE = threading.Event()
"""Never set: waiting for it with a timeout is a pause."""


class Target:
    """``innkeepd run`` in a home of its own. ``limits`` are shell words in front of it, such as ``ulimit -n 64``.

    ``http``: TOML of the table ``[http]``; ``config``: tables behind it. ``user_home`` is ``$HOME``. ``as_nobody``: it
    runs as a second user of the machine.
    """

    def __init__(
        self,
        ollama: str,
        *,
        http: str = "",
        config: str = "",
        limits: str = ":",
        home: Path | None = None,
        as_nobody: bool = False,
    ):
        self.port = free_port()
        self.home = home or Path(tempfile.mkdtemp(prefix="ik"))
        self._is_ours = home is None
        self._said = Path(tempfile.mkstemp(prefix="ik")[1])
        self._limits = limits
        self.user_home = self.home
        text = f'[ollama]\nurl = "{ollama}"\n[http]\nport = {self.port}\n{http}\n{config}'
        (self.home / "config.toml").write_text(text)
        self.process: subprocess.Popen[bytes] | None = None
        self._as_nobody = as_nobody
        if as_nobody:
            os.chown(self.home, NOBODY, NOBODY)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()
        if self._is_ours:
            shutil.rmtree(self.home, ignore_errors=True)
        self._said.unlink(missing_ok=True)

    # ---- life ----

    def launch(self) -> None:
        """Start it without waiting."""
        paths = os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")])
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("INNKEEP_", "OLLAMA_"))}
        environ |= {"INNKEEP_HOME": str(self.home), "HOME": str(self.user_home), "PYTHONPATH": paths, "NO_COLOR": "1"}
        shell = ["sh", "-c", f'{self._limits}; exec "$@"', "sh", sys.executable, "-m", "innkeepd.main", "run"]
        shell = as_nobody(*shell) if self._as_nobody else shell
        with self._said.open("ab") as said:
            self.process = subprocess.Popen(shell, env=environ, stdout=said, stderr=said)

    def start(self) -> None:
        """Start it; returns once both doors answer. Raises RuntimeError with its last words."""
        self.launch()
        self.until(self.is_well)

    def is_well(self) -> bool:
        """Whether both doors answer; raises RuntimeError where it is dead."""
        if not self.is_alive:
            raise RuntimeError(f"innkeepd is dead:\n{self.last_words()}")
        try:
            if self.get("/api/version")[0] not in {200, 401}:
                return False
            if self._as_nobody:  # whose socket is not for us
                return True
            with self.connect(5.0) as lines:
                return bool(lines.ask(type="hello", protocol=1)["type"] == "welcome")
        except (OSError, AssertionError):
            return False

    def until(self, holds: Callable[[], bool], within: float = UP_WITHIN) -> None:
        """Look again and again; raises RuntimeError where something does not come to hold."""
        deadline = time.monotonic() + within
        while not holds():
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {within} s; its last words:\n{self.last_words()}")
            PAUSE.wait(LOOK_EVERY)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def last_words(self) -> str:
        return self._said.read_text(errors="replace")[-3000:]

    # ---- what it costs ----

    def memory(self) -> int:
        """Bytes that it holds."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def descriptors(self) -> int:
        """Files and sockets that it has open."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).num_fds())

    # ---- asking ----

    def connect(self, timeout: float = 30.0) -> Lines:
        """A connection to the control socket."""
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(timeout)
        try:
            one.connect(str(self.home / "innkeepd.sock"))
        except OSError:
            one.close()
            raise
        return Lines(one)

    def ask(self, **request: Any) -> dict[str, Any]:
        """The last reply to one request on a connection of its own."""
        with self.connect() as lines:
            return lines.ask(**request)

    def chat(self, model: str, **more: Any) -> dict[str, Any]:
        """A whole chat; its last reply."""
        return self.ask(type="chat", model=model, messages=[{"role": "user", "content": "hi"}], **more)

    def leases(self) -> int:
        """Answers under way."""
        return sum(each["leases"] for each in self.ask(type="status")["resident"])

    def raw(self, data: bytes, timeout: float = 5.0) -> bytes:
        """Everything that the HTTP port says to some bytes, until it closes or is silent for so long."""
        heard = bytearray()
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as one, suppress(OSError):
            one.sendall(data)
            while piece := one.recv(1 << 18):
                heard += piece
        return bytes(heard)

    def get(self, path: str, *, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, bytes, bytes]:
        """Status, head and body of one request; header names with ``_`` for ``-``."""
        data = b"" if body is None else json.dumps(body).encode()
        heads = {"host": "127.0.0.1", "connection": "close", "content-length": str(len(data))}
        heads |= {name.replace("_", "-"): value for name, value in headers.items()}
        text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in heads.items())
        answer = self.raw(text.encode("latin-1", "replace") + b"\r\n" + data)
        head, _, rest = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else 0, head.lower(), rest


class SimulatedOllama:
    """The simulator as a process of its own, to be killed and started again on the same port."""

    def __init__(self, *, speed: float = 200.0) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._speed = speed
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; returns once it listens."""
        paths = os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon"), str(ROOT / "tests")])
        command = [sys.executable, "-m", "support.simulated", str(self.port), str(self._speed)]
        self._process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": paths}, cwd=ROOT)
        deadline = time.monotonic() + UP_WITHIN
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self._process.poll() is None, "the simulator did not come up"
            assert time.monotonic() < deadline, "the simulator does not listen"
            PAUSE.wait(LOOK_EVERY)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class RecordingOllama:
    """A small Ollama with one model in a thread of this process; ``calls`` are all that
    reached it, ``bodies`` what they held.

    ``instead`` maps a path to raw bytes that are sent in place of the answer; then the connection is closed.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self.instead: dict[str, bytes] = {}
        self.loaded = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        """What a real one would say, in short."""
        if path == "/api/version":
            return {"version": "0.17.4"}
        if path == "/api/tags":
            return {"models": [TIDY]}
        if path == "/api/ps":
            return {"models": [TIDY | {"context_length": 4096}] if self.loaded else []}
        if path == "/api/show":
            return {"capabilities": ["completion"], "model_info": {}}
        if path in {"/api/generate", "/api/chat"}:
            self.loaded = body.get("keep_alive") != 0
            return {"model": "tiny:latest", "message": {"role": "assistant", "content": "x"}, "done": True,
                    "done_reason": "stop"}  # fmt: skip
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                data = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = self.path.partition("?")[0]
                ours.calls.append((self.command, self.path))
                ours.bodies.append(data)
                if path in ours.instead:
                    self.close_connection = True
                    with suppress(OSError):
                        self.wfile.write(ours.instead[path])
                    return
                reported = ours.answer(path, json.loads(data) if data else {})
                said = json.dumps({"error": "404"} if reported is None else reported).encode() + b"\n"
                self.send_response(404 if reported is None else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
                pass

        for method in ("GET", "POST", "DELETE", "PUT", "HEAD", "PATCH"):
            setattr(Handler, f"do_{method}", Handler.handle_any)
        return Handler
