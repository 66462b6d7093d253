"""A real Ollama as the tests want one: its own port, home and models, and ways to hurt it.

Everything here is blocking and of the standard library (and psutil): a test may call it from a thread, from an event
loop that can spare the milliseconds, or while the daemon under test runs in another process.
"""

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import psutil

from support import gguf_models

VERSIONS = ("0.17.4", "0.33.0")
"""What ``make ollama`` builds, oldest first: the last release series with a runner of its own, and one that starts a
``llama-server`` for each model."""
LLAMA_SERVER_SINCE = (0, 30, 0)
HOW_TO_GET_ONE = "no ollama binary: `make ollama` builds two (or put one on PATH, or name it in $OLLAMA_BIN)"

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_SAMPLE_SECONDS = 0.02
_RUNNER_STARTS = re.compile(rb'msg="starting (?:runner|llama-server)" cmd="[^"]* --model ')
"""Ollama's log line at each load; without ``--model`` it is a look for graphics cards (0.17)."""


class Answer(NamedTuple):
    """One answer of Ollama: status and decoded JSON (the last line, where there were more)."""

    status: int
    body: Any


class Sample(NamedTuple):
    """What ``/api/ps`` said at ``time`` (``time.monotonic()``); names without the tag ``:latest``."""

    time: float
    models: tuple[str, ...]


def cache_folder() -> Path:
    """Where builds and models are kept between runs, outside the tree."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "innkeep"


def ollama_binary() -> Path | None:
    """The newest of ``ollama_binaries()``, None where there is none."""
    found = ollama_binaries()
    return found[max(found, key=numbers)] if found else None


@cache
def ollama_binaries() -> dict[str, Path]:
    """By version: the one that ``$OLLAMA_BIN`` names alone, else all that ``make ollama`` built, else PATH's."""
    named = os.environ.get("OLLAMA_BIN")
    if named:
        if not os.access(named, os.X_OK):
            raise FileNotFoundError(f"$OLLAMA_BIN names {named}, which is no program that can be run")
        return {_version_of(Path(named)): Path(named)}
    paths = {version: cache_folder() / f"ollama-{version}" / "bin" / "ollama" for version in VERSIONS}
    built = {version: path for version, path in paths.items() if os.access(path, os.X_OK)}
    on_path = None if built else shutil.which("ollama")
    return {_version_of(Path(on_path)): Path(on_path)} if on_path else built


def numbers(version: str) -> tuple[int, ...]:
    """``0.33.0-rc2`` as (0, 33, 0), to compare."""
    return tuple(int(number) for number in version.split("-")[0].split("."))


def starts_llama_servers(version: str) -> bool:
    """Whether this version runs models by llama-server; a build from source without a number (0.0.0) is a new one."""
    return numbers(version) >= LLAMA_SERVER_SINCE or not any(numbers(version))


def _version_of(binary: Path) -> str:
    """What it says of itself; it looks for a server first, so it is given a port where none is."""
    environ = os.environ | {"OLLAMA_HOST": "127.0.0.1:9"}
    said = subprocess.run([binary, "--version"], env=environ, capture_output=True, text=True, timeout=60, check=True)
    found = re.findall(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    if not found:
        raise RuntimeError(f"{binary} --version names no version: {said.stdout}{said.stderr}")
    return str(found[-1])


class OllamaServer:
    """A real ``ollama serve`` on a free loopback port, as a context manager.

    ``folder`` takes its home, its log and its models; ``store`` is a models folder to begin with, whose files are
    shared by hard link and never written. ``env`` is added to its environment (``OLLAMA_MAX_QUEUE="1"``).
    """

    def __init__(self, folder: Path, *, binary: Path | None = None, store: Path | None = None, **env: str) -> None:
        found = binary or ollama_binary()
        if found is None:
            raise FileNotFoundError(HOW_TO_GET_ONE)
        self.binary = found
        self.folder = folder
        self.models = folder / "models"
        self.log = folder / "ollama.log"
        self.env = env
        self.port = _free_port()
        self._counted_from = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.models.mkdir(parents=True, exist_ok=True)
        if store is not None:
            shutil.copytree(store, self.models, copy_function=_link, dirs_exist_ok=True)

    def __repr__(self) -> str:
        return f"<OllamaServer {self.url} {f'pid {self.pid}' if self._process else 'stopped'}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    # --- life -------------------------------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        """The base of its addresses; the same after a restart."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def version(self) -> str:
        """What ``/api/version`` says."""
        return str(self.ask("GET", "/api/version").body["version"])

    @property
    def pid(self) -> int:
        """The process id of the server; raises RuntimeError while it is stopped."""
        if self._process is None:
            raise RuntimeError("this Ollama is not running")
        return self._process.pid

    def start(self) -> None:
        """Start it and return once it answers; raises RuntimeError with its last words if it does not."""
        if self._process is not None:
            raise RuntimeError("this Ollama runs already")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OLLAMA_")}
        environment |= {
            "HOME": str(self.folder),
            "OLLAMA_HOST": f"127.0.0.1:{self.port}",
            "OLLAMA_MODELS": str(self.models),
            "OLLAMA_NO_CLOUD": "1",
            **self.env,
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.binary, "serve"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            # To wait for its death is a pause that ends early when there is nothing left to wait for.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_SAMPLE_SECONDS)
            if self._process.returncode is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"ollama serve did not come up; its last words:\n{self.last_words()}")

    def stop(self) -> None:
        """Stop it and its runners, and return when they are gone; nothing happens if it is stopped."""
        if self._process is None:
            return
        process, self._process = self._process, None
        runners = _runners(process.pid)
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _kill(runners)

    def kill(self) -> None:
        """Kill the server without a word, and its runners, as a power cut would."""
        _kill(self.kill_alone())

    def kill_alone(self) -> list[psutil.Process]:
        """Kill the server without a word (SIGKILL) and return the runners that it leaves behind: kill them later."""
        process, self._process = self._process, None
        if process is None:
            return []
        runners = _runners(process.pid)
        process.kill()
        process.wait()
        return runners

    def restart(self, *, binary: Path | None = None) -> None:
        """Stop and start on the same port, with the same models; ``binary``: another version takes its place."""
        self.stop()
        self.binary = binary or self.binary
        self.start()

    def count_loads_from_here(self) -> None:
        """``loads()`` is 0 now."""
        self._counted_from = self.log.stat().st_size

    def loads(self) -> int:
        """How many runners were started for a model, as its own log tells: reloads that ``/api/ps`` hides are in it."""
        with self.log.open("rb") as log:
            log.seek(self._counted_from)
            return len(_RUNNER_STARTS.findall(log.read()))

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/api/version", timeout=5).status == 200
        except (OSError, http.client.HTTPException):
            return False

    # --- asking it directly -----------------------------------------------------------------------------------------
    def ask(self, method: str, path: str, body: object = None, *, timeout: float = 120) -> Answer:
        """One request, and the whole answer; of a stream the last line."""
        with self._connection(timeout) as connection:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            lines = response.read().splitlines()
            return Answer(response.status, json.loads(lines[-1]) if lines else None)

    def stream(self, path: str, body: object, *, timeout: float = 120) -> Iterator[dict[str, Any]]:
        """POST, and the lines of the answer as they come; leaving early closes the connection."""
        with self._connection(timeout) as connection:
            connection.request("POST", path, json.dumps(body))
            for line in connection.getresponse():
                yield json.loads(line)

    def chat(self, model: str, text: str = "hello", **fields: object) -> Answer:
        """A whole chat; ``fields`` as ``/api/chat`` takes them (``options``, ``keep_alive``, ``think``)."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": False, **fields}
        return self.ask("POST", "/api/chat", body)

    def load(self, model: str, **fields: object) -> Answer:
        """Load it as Ollama does, evicting as it likes."""
        return self.ask("POST", "/api/generate", {"model": model, "stream": False, **fields})

    def unload(self, model: str) -> Answer:
        """Ask for its unload; the answer proves nothing yet (``wait_for_ps`` does)."""
        return self.load(model, keep_alive=0)

    def ps(self) -> list[dict[str, Any]]:
        """The models of ``/api/ps`` as it tells them."""
        models: list[dict[str, Any]] = self.ask("GET", "/api/ps").body["models"]
        return models

    def loaded(self) -> set[str]:
        """The names in ``/api/ps``, without the tag ``:latest``."""
        return {_bare(model["name"]) for model in self.ps()}

    def wait_for_ps(self, *names: str, timeout: float = 10) -> None:
        """Return once ``/api/ps`` shows exactly these names; raises AssertionError with what it shows instead."""
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        while (shown := self.loaded()) != set(names):
            if time.monotonic() > deadline:
                raise AssertionError(f"after {timeout} s /api/ps shows {sorted(shown)}, not {sorted(names)}")
            pause.wait(_SAMPLE_SECONDS)

    def create(self, name: str, **body: object) -> None:
        """``/api/create``; with ``files={"x.gguf": Path}`` the file is handed over first. Raises on an error."""
        files = body.pop("files", None)
        if isinstance(files, Mapping):
            body["files"] = {title: self._hand_over(Path(path)) for title, path in files.items()}
        answer = self.ask("POST", "/api/create", {"model": name, "stream": False, **body}, timeout=300)
        if answer.status != 200:
            raise RuntimeError(f"creating {name} failed: {answer.body}")

    def _hand_over(self, path: Path) -> str:
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        with self._connection(300) as connection, path.open("rb") as file:
            size = {"Content-Length": str(path.stat().st_size)}
            connection.request("POST", f"/api/blobs/{digest}", file, size)
            response = connection.getresponse()
            if response.status not in (200, 201):
                raise RuntimeError(f"handing over {path.name} failed: {response.status} {response.read()!r}")
        return digest

    @contextmanager
    def _connection(self, timeout: float) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            yield connection
        finally:
            connection.close()

    # --- hurting it -------------------------------------------------------------------------------------------------
    def runners(self) -> list[psutil.Process]:
        """The runner processes of this server, one for each loaded set of weights."""
        return _runners(self.pid)

    def kill_runner(self) -> int:
        """Kill its runners (only children of this server) and return how many there were; raises if there was none."""
        found = self.runners()
        if not found:
            raise RuntimeError("no runner to kill: nothing is loaded")
        _kill(found)
        return len(found)

    @contextmanager
    def frozen_runners(self) -> Iterator[None]:
        """Its runners do not move inside this context: a stall, not a crash."""
        found = self.runners()
        pause = threading.Event()
        for runner in found:
            runner.suspend()
            while runner.status() != psutil.STATUS_STOPPED:  # a signal is sent now and taken a little later
                pause.wait(_SAMPLE_SECONDS)
        try:
            yield
        finally:
            for runner in found:
                with suppress(psutil.NoSuchProcess):
                    runner.resume()


class PsSampler:
    """Asks ``/api/ps`` every 20 ms in a thread of its own, as a context manager, and keeps all it saw.

    The first sample is taken before the context is entered, the last one after it is left. Times at which Ollama did
    not answer are left out of ``samples`` and counted in ``unanswered``.
    """

    def __init__(self, port: int, interval: float = _SAMPLE_SECONDS) -> None:
        self.samples: list[Sample] = []
        self.unanswered = 0
        self._port = port
        self._interval = interval
        self._begun = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ps sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def wait_for(self, *names: str, timeout: float = 10) -> None:
        """Return once a sample shows exactly these names, from now on; raises AssertionError if none does in time."""
        begin, deadline = len(self.samples), time.monotonic() + timeout
        wanted = tuple(sorted(names))
        pause = threading.Event()
        while wanted not in {sample.models for sample in self.samples[begin:]}:
            if time.monotonic() > deadline:
                raise AssertionError(f"in {timeout} s /api/ps never showed {wanted} but {self.history()}")
            pause.wait(self._interval)

    def seen_together(self, *names: str) -> list[Sample]:
        """The samples that show more than one of these names at once."""
        return [sample for sample in self.samples if len(set(sample.models) & set(names)) > 1]

    def history(self) -> list[tuple[str, ...]]:
        """What was shown, in order, each state once: ``[(), ("big",), (), ("big2",)]``."""
        states: list[tuple[str, ...]] = []
        for sample in self.samples:
            if not states or states[-1] != sample.models:
                states.append(sample.models)
        return states

    def _watch(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        last = False
        while not last:
            last = self._over.is_set()
            began = time.monotonic()
            try:
                connection.request("GET", "/api/ps")
                models = json.loads(connection.getresponse().read())["models"]
                self.samples.append(Sample(time.monotonic(), tuple(sorted(_bare(model["name"]) for model in models))))
            except (OSError, http.client.HTTPException):
                connection.close()
                self.unanswered += 1
            self._begun.set()
            self._over.wait(max(0.0, began + self._interval - time.monotonic()))
        connection.close()


def model_store() -> Path:
    """A models folder with every model of ``gguf_models.RECIPES``, made once (a minute, 1 GB) and kept in the cache."""
    store = cache_folder() / f"test-models-{gguf_models.revision()}"
    if store.exists():
        return store
    store.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.parent, prefix="making-models-") as name:
        folder = Path(name)
        # By the oldest version: what it writes, all of them can read.
        oldest = min(ollama_binaries(), key=numbers, default=None)
        with OllamaServer(folder, binary=ollama_binaries()[oldest] if oldest else None) as server:
            for model, recipe in gguf_models.RECIPES.items():
                _make(server, model, recipe, folder / "weights.gguf")
        with suppress(OSError):  # somebody else has made it meanwhile
            server.models.rename(store)
    return store


def _make(server: OllamaServer, model: str, recipe: gguf_models.Recipe, scratch: Path) -> None:
    body: dict[str, object] = {"template": recipe.template, "parameters": recipe.parameters}
    if recipe.shape is None:
        server.create(model, **{"from": recipe.base}, **body)
        return
    gguf_models.write(recipe.shape, scratch)
    server.create(model, files={f"{model}.gguf": scratch}, **body)
    scratch.unlink()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _link(source: str, target: str) -> None:
    """Blobs are never written, only read and unlinked, so that a hard link is as good as a copy of 0.4 GB."""
    if "/blobs/" in source:
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)


def _runners(server: int) -> list[psutil.Process]:
    try:
        children = psutil.Process(server).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    found = []
    for child in children:
        with suppress(psutil.NoSuchProcess):
            command = child.cmdline()
            if "--model" in command and ("runner" in command or Path(command[0]).name == "llama-server"):
                found.append(child)
    return found


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=_STOP_SECONDS)


def _bare(name: str) -> str:
    return name.removesuffix(":latest")
