"""Real engines to fall over to, in an environment of their own in the cache; what takes long is told with its time.

These tests run on asyncio and real time; what they wait for is events, never a length of time.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from support.ollama import HOW_TO_GET_ONE, OllamaServer, cache_folder, model_store, ollama_binary

_HERE = Path(__file__).parent
_READY_WITHIN = 120.0
TOKEN = "sk-engines-only"
LITELLM = f"""
model_list:
  - model_name: far-mid
    litellm_params: {{model: ollama_chat/mid, api_base: "%s"}}
litellm_settings: {{num_retries: 0, request_timeout: 60}}
general_settings: {{master_key: {TOKEN}}}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs the engines; nobody has to remember the mark."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.engines)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tells whoever waits what takes so long, past pytest's capture."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def tell(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  {text}", flush=True)

    return tell


@pytest.fixture(scope="session")
def engines(say: Callable[[str], None]) -> Path:
    """The bin folder of the environment with Ray Serve and LiteLLM; made once, a new one where the versions change."""
    wanted = _HERE / "requirements.txt"
    mark = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = cache_folder() / f"engines-{mark}"
    if not (home / "complete").exists():
        began = time.monotonic()
        say(f"installing Ray Serve and LiteLLM into {home}: about 1.1 GB, once")
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", wanted], check=True)
        (home / "complete").touch()
        say(f"installed in {time.monotonic() - began:.0f} s")
    return home / "bin"


class Engine:
    """A server in a process of its own, that can be killed and started again on its port."""

    def __init__(self, name: str, command: list[object], folder: Path, page: str, say: Callable[[str], None]) -> None:
        self.name = name
        self._command = [str(part) for part in command]
        self._folder = folder
        self._page = page
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return once it serves. Raises ``RuntimeError`` with its last words."""
        began = time.monotonic()
        log = self._folder / f"{self.name}.log"
        quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "RAY_USAGE_STATS_ENABLED": "0", "HOME": str(self._folder)}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **quiet},
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        while not _answers(self._page):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.1)
            if self._process.returncode is not None or time.monotonic() - began > _READY_WITHIN:
                self.kill()
                raise RuntimeError(f"{self.name} did not come up: {log.read_text(errors='replace')[-2000:]}")
        self._say(f"{self.name} serves after {time.monotonic() - began:.1f} s")

    def kill(self) -> None:
        """Kill it and all that it started, as a power cut would; nothing happens where it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        family = [psutil.Process(process.pid)] if process.poll() is None else []
        family += [child for each in family for child in each.children(recursive=True)]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, timeout=10)
        process.wait(10)
        if process.stdin is not None:
            process.stdin.close()


def _answers(page: str) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(page, timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 401
    except OSError:
        return False


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def store() -> Path:
    if ollama_binary() is None:
        pytest.skip(HOW_TO_GET_ONE)
    return model_store()


@pytest.fixture(scope="module")
def here(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaServer]:
    """This machine's Ollama, whose memory innkeep owns."""
    with OllamaServer(tmp_path_factory.mktemp("here"), store=store) as server:
        yield server


@pytest.fixture(scope="module")
def there(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaServer]:
    """Another machine's."""
    with OllamaServer(tmp_path_factory.mktemp("there"), store=store) as server:
        yield server


@pytest.fixture(scope="module")
def start(say: Callable[[str], None]) -> Iterator[Callable[..., Engine]]:
    """Starts engines that are gone when the module's tests are over."""
    with ExitStack() as stack:

        def begin(name: str, command: list[object], folder: Path, page: str) -> Engine:
            engine = Engine(name, command, folder, page, say)
            stack.callback(engine.kill)
            engine.start()
            return engine

        yield begin


@pytest.fixture(scope="module")
def litellm(
    engines: Path, there: OllamaServer, start: Callable[..., Engine], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Engine, str]:
    """A LiteLLM proxy in front of the other machine's Ollama, and its address."""
    folder, port = tmp_path_factory.mktemp("litellm"), _free_port()
    (folder / "config.yaml").write_text(LITELLM % there.url)
    command = [engines / "litellm", "--config", "config.yaml", "--host", "127.0.0.1", "--port", port]
    url = f"http://127.0.0.1:{port}"
    return start("LiteLLM", command, folder, f"{url}/health/liveliness"), url


@pytest.fixture(scope="module")
def ray(engines: Path, start: Callable[..., Engine]) -> Iterator[tuple[Engine, str]]:
    """A Ray Serve application with two replicas, and its address. Its folder's name is short: sockets lie in it."""
    folder, port = Path(tempfile.mkdtemp(prefix="inn-")), _free_port()
    url = f"http://127.0.0.1:{port}/v1"
    try:
        yield start("Ray Serve", [engines / "python", _HERE / "ray_app.py", port, folder], folder, f"{url}/models"), url
    finally:
        shutil.rmtree(folder, ignore_errors=True)
