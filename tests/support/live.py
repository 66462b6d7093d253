"""The real daemon in front of a real Ollama: a process of its own, a home of its own, the real clients.

Nothing here sleeps for a fixed time: whoever waits looks again and again, for a bounded while, and says what it saw.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import psutil

from innkeep import AsyncClient, Client, wire
from innkeep.errors import ConnectionFailed
from support.innkeepd import free_port
from support.ollama import OllamaServer

ROOT = Path(__file__).parents[2]
UP_WITHIN = 30.0
LOOK_EVERY = 0.02

SMALL = """
[http]
{http}
[memory]
budget = "{budget}"
[residency]
heavy_parameters = 100_000_000
idle_unload = "{idle_unload}"
[roles.coding]
primary = "{heavy}"
fallbacks = ["{light}"]
[roles.reasoning]
primary = "{other}"
fallbacks = ["{light}"]
[roles.general]
primary = "{light}"
"""
"""A house so small that 379 MB are heavy: ``big`` and ``mid`` stand side by side, ``big`` and ``big2`` never.

``heavy`` is the primary of coding, ``other`` of reasoning, ``light`` of general and what both fall back to.
"""

USUAL = {
    "http": "enabled = false",
    "budget": "720MB",
    "idle_unload": "5m",
    "heavy": "big",
    "other": "big2",
    "light": "mid",
}


class Said(NamedTuple):
    """A whole answer."""

    text: str
    done: wire.Done


class Posted(NamedTuple):
    """What an HTTP request was answered."""

    status: int
    data: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.data)


class DaemonProcess:
    """``innkeepd run`` before ``ollama``, as a context manager that may be killed and started again in the same home.

    ``said`` are the gaps of ``SMALL`` and ``more`` is TOML behind it; ``journal``: it writes events and actions;
    ``http``: it has an HTTP port, too.
    """

    def __init__(
        self, ollama: OllamaServer, *, more: str = "", journal: bool = False, http: bool = False, **said: str
    ) -> None:
        self.port = free_port() if http else None
        said |= {"http": f"port = {self.port}"} if http else {}
        self.home = Path(tempfile.mkdtemp(prefix="ik"))  # a socket's path must be short
        self.socket = self.home / "innkeepd.sock"
        self.config = self.home / "config.toml"
        self.journal = self.home / "journal.jsonl"
        self.config.write_text(f'[ollama]\nurl = "{ollama.url}"\n{SMALL.format(**USUAL | said)}{more}')
        self._command = [sys.executable, "-m", "innkeepd.main", "run"]
        self._command += ["--journal", str(self.journal)] if journal else []
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<Inn in {self.home}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.home, ignore_errors=True)

    # ---- life ----

    def start(self) -> None:
        """Start it and return once it answers on its socket; raises RuntimeError with its last words."""
        with (self.home / "said").open("ab") as said:
            self._process = subprocess.Popen(self._command, env=self.environ(), stderr=said, stdout=said)
        deadline = time.monotonic() + UP_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"innkeepd did not come up; its last words:\n{self.last_words()}")
            threading.Event().wait(LOOK_EVERY)

    def stop(self) -> int | None:
        """Stop it as SIGTERM does; its exit status, None where it does not run."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"innkeepd does not stop:\n{self.last_words()}") from None

    def kill(self) -> None:
        """kill -9."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def last_words(self) -> str:
        """The end of what it wrote."""
        return (self.home / "said").read_text(errors="replace")[-3000:]

    def environ(self) -> dict[str, str]:
        """What the daemon and the command see of the world: this house, and nothing of the user's."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("INNKEEP_", "OLLAMA_"))}
        paths = os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")])
        return ours | {"INNKEEP_HOME": str(self.home), "HOME": str(self.home), "PYTHONPATH": paths, "NO_COLOR": "1"}

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                client.ping()
            return self.port is None or self.post("/api/version", None, method="GET").status == 200
        except (ConnectionFailed, ConnectionRefusedError):
            return False

    # ---- asking ----

    def client(self) -> Client:
        """A blocking client; one that hears nothing for a minute says so."""
        return Client(self.socket, timeout=60)

    def async_client(self) -> AsyncClient:
        """An asynchronous one."""
        return AsyncClient(self.socket, timeout=240)

    def ask(self, model: str | None, text: str = "hello", *, tokens: int = 3, **more: object) -> Said:
        """A whole chat with a client of its own; ``seed`` is fixed, so that the same question has the same answer."""
        with self.client() as client, client.chat(text, model=model, options=options(tokens), **more) as answer:  # type: ignore[arg-type] - as chat takes them
            text = answer.read()
        assert answer.done is not None
        return Said(text, answer.done)

    def post(self, path: str, body: object, *, method: str = "POST") -> Posted:
        """One request to the HTTP port, and its whole answer."""
        assert self.port is not None, "open it with http=True"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return Posted(response.status, response.read())
        finally:
            connection.close()

    def status(self) -> wire.Status:
        """A snapshot."""
        with self.client() as client:
            return client.status()

    def resident(self) -> dict[str, wire.Resident]:
        """What the daemon says is in memory, by name without the tag ``:latest``."""
        return {each.name.removesuffix(":latest"): each for each in self.status().resident}

    def until(self, holds: Callable[[wire.Status], bool], *, within: float = 20.0) -> wire.Status:
        """The first status of which something holds; raises AssertionError with the last one where none does."""
        deadline = time.monotonic() + within
        with self.client() as client:
            while not holds(status := client.status()):
                if time.monotonic() > deadline:
                    raise AssertionError(f"not within {within} s: {status}\n{self.last_words()}")
                threading.Event().wait(LOOK_EVERY)
        return status

    def command(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """``innkeep ARGUMENTS`` as a process."""
        return subprocess.run(
            [sys.executable, "-c", "from innkeep.cli import main; raise SystemExit(main())", *arguments],
            env=self.environ(),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def options(tokens: int) -> dict[str, object]:
    """Options of an answer that is the same each time."""
    return {"num_predict": tokens, "seed": 7, "temperature": 0.8}


class RunnerSampler:
    """Counts Ollama's runner processes every 20 ms: ``/api/ps`` may lie, the process table does not."""

    def __init__(self, ollama: OllamaServer) -> None:
        self.most = 0
        self.pids: set[int] = set()
        self._ollama = ollama
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="runner sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            found = {runner.pid for runner in self._ollama.runners() if _runs(runner)}
            self.most = max(self.most, len(found))
            self.pids |= found


def _runs(process: psutil.Process) -> bool:
    """Whether it still runs: one that ended between the listing and this look, or is a zombie, does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
