"""The whole daemon as people run it: a process of its own, with a socket and an HTTP port."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
UP_WITHIN = 30.0


class Daemon:
    """``innkeepd run`` in a home of its own, as a context manager. ``ollama``: a URL; None: the simulated one.

    ``config``: more of the configuration file, in TOML.
    """

    def __init__(self, *, ollama: str | None = None, config: str = "", speed: float = 50.0) -> None:
        self.port = free_port()
        self.home = Path(tempfile.mkdtemp(prefix="ik"))
        self._command = [sys.executable, "-m", "innkeepd.main", "run"]
        self._command += [] if ollama else ["--simulate", "--speed", str(speed)]
        url = f'[ollama]\nurl = "{ollama}"\n' if ollama else ""
        (self.home / "config.toml").write_text(f"{url}[http]\nport = {self.port}\n{config}")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        paths = os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")])
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("INNKEEP_", "OLLAMA_"))}
        environ |= {"INNKEEP_HOME": str(self.home), "HOME": str(self.home), "PYTHONPATH": paths}
        with (self.home / "said").open("wb") as said:
            self._process = subprocess.Popen(self._command, env=environ, stderr=said, stdout=said)
        deadline, pause = time.monotonic() + UP_WITHIN, threading.Event()
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = self.last_words()
                self.stop()
                raise RuntimeError(f"innkeepd did not come up; its last words:\n{words}")
            pause.wait(0.05)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def stop(self) -> int | None:
        """Stop it as SIGTERM does; its exit status."""
        if self._process is None:
            return None
        process, self._process = self._process, None
        process.terminate()
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            shutil.rmtree(self.home, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def last_words(self) -> str:
        return (self.home / "said").read_text(errors="replace")[-3000:]

    def ask(self, method: str, path: str, body: Any = None, *, timeout: float = 60.0) -> tuple[int, bytes]:
        """One request and its whole answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """One request that succeeds, and its JSON."""
        status, data = self.ask(method, path, body)
        assert status == 200, data
        return json.loads(data)

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/api/tags", timeout=5.0)[0] == 200
        except (OSError, http.client.HTTPException):
            return False


def free_port() -> int:
    """A loopback port that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
