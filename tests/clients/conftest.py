"""Unmodified official clients against the whole daemon: before the simulator, and before a real Ollama where one is."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from innkeep import Client
from support.innkeepd import Daemon
from support.ollama import HOW_TO_GET_ONE, OllamaServer, cache_folder, model_store, ollama_binary

_HERE = Path(__file__).parent

REAL = """
[roles.coding]
primary = "big"
fallbacks = ["mid"]
[roles.reasoning]
primary = "think"
[roles.general]
primary = "mid"
[memory]
budget = "4GiB"
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs such clients; those of a real Ollama are live ones too."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.clients)
            if "real" in item.name:
                item.add_marker(pytest.mark.live)


class ServedModels:
    """A daemon with names of models for each purpose. ``endless`` are the words and options of a long answer."""

    def __init__(self, daemon: Daemon, *, ollama: OllamaServer | None) -> None:
        self.daemon = daemon
        self.url = daemon.url
        self.ollama = ollama
        self.chats, self.calls, self.thinks = (
            ("mid", "tools", "think") if ollama else ("llama3.1:8b", "llama3.1:8b", "deepseek-r1:32b")
        )
        self.embeds = "embedder" if ollama else "nomic-embed-text"  # since 0.30 chat models do not embed
        self.endless = "hello" if ollama else "hello [simulate stall after 5]"
        self.many = 3000

    def leases(self) -> int:
        """How many answers are being written now, as the control socket tells."""
        with Client(socket=str(self.daemon.home / "innkeepd.sock")) as client:
            return sum(each.leases for each in client.status().resident)

    def wait_until_free(self) -> float:
        """Seconds until nobody holds a model."""
        began, pause = time.monotonic(), threading.Event()
        while self.leases():
            assert time.monotonic() - began < 10, "the lease is still held"
            pause.wait(0.02)
        return time.monotonic() - began


@pytest.fixture(scope="session", params=["simulated", "real"])
def served(request: pytest.FixtureRequest) -> Iterator[ServedModels]:
    with ExitStack() as stack:
        ollama = None
        if request.param == "real":
            if ollama_binary() is None:
                pytest.skip(HOW_TO_GET_ONE)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ik")))
            ollama = stack.enter_context(OllamaServer(folder, store=model_store()))
        daemon = Daemon(ollama=ollama.url, config=REAL) if ollama else Daemon()
        served = ServedModels(stack.enter_context(daemon), ollama=ollama)
        if ollama is None:  # the simulator has no embedding model by itself
            assert daemon.ask("POST", "/api/pull", {"model": served.embeds, "stream": False})[0] == 200
        yield served


@pytest.fixture(scope="session")
def node_clients() -> Path:
    """A folder with npm's official clients, installed once and kept outside the tree."""
    if shutil.which("npm") is None:
        pytest.skip("no npm: Node's clients are not tried (install Node 20 or later)")
    wanted = (_HERE / "node" / "package.json").read_bytes()
    versions = "-".join(json.loads(wanted)["dependencies"].values())
    folder = cache_folder() / f"npm-{versions}"
    if not (folder / "node_modules" / "openai").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_bytes(wanted)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"npm could not install its clients: {done.stderr.strip()[-200:]}")
    shutil.copy2(_HERE / "node" / "clients.mjs", folder / "clients.mjs")
    return folder


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients read proxies and keys from the environment."""
    for name in [
        each for each in os.environ if each.lower().endswith("_proxy") or each.startswith(("OLLAMA", "OPENAI"))
    ]:
        monkeypatch.delenv(name)
