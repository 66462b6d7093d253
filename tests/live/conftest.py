"""Live tests talk to real Ollamas with tiny models, each test to both versions that ``make ollama`` builds.

A test whose subject exists on one version only says so and why: ``@pytest.mark.since_0_30("why")``. Where a binary is
missing, its tests are skipped in one line.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.live import DaemonProcess
from support.ollama import (
    HOW_TO_GET_ONE,
    VERSIONS,
    OllamaServer,
    model_store,
    ollama_binaries,
    ollama_binary,
    starts_llama_servers,
)

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder is a live one; nobody has to remember the mark."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.live)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run on both versions, or on that of the one binary that is there, unless a mark names one kind of them."""
    if "ollama_version" not in metafunc.fixturenames:
        return
    found = ollama_binaries()
    versions = VERSIONS if set(found) <= set(VERSIONS) else tuple(found)
    if metafunc.definition.get_closest_marker("since_0_30"):
        versions = tuple(version for version in versions if starts_llama_servers(version))
    if metafunc.definition.get_closest_marker("before_0_30"):
        versions = tuple(version for version in versions if not starts_llama_servers(version))
    metafunc.parametrize("ollama_version", versions, ids=[f"ollama={version}" for version in versions])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip from here, not from a fixture or a mark: only so does pytest fold all live tests into one line."""
    if ollama_binary() is None:
        pytest.skip(HOW_TO_GET_ONE)
    callspec = getattr(item, "callspec", None)
    version = callspec.params.get("ollama_version") if callspec else None
    if version and version not in ollama_binaries():
        pytest.skip(f"no Ollama {version}: `packaging/ollama/build.sh {version}` builds it")


@pytest.fixture(scope="session")
def ollama_store() -> Path:
    """A models folder with all of ``gguf_models.RECIPES``; to be read only, servers get links to it."""
    return model_store()


@pytest.fixture
def ollama_version() -> str:
    """``0.17.4`` or ``0.33.0``; each test that wants an Ollama runs once with each."""
    raise NotImplementedError  # pytest_generate_tests gives it


@pytest.fixture
def llama_server(ollama_version: str) -> bool:
    """Whether this version runs models by llama-server, as all do since 0.30.0."""
    return starts_llama_servers(ollama_version)


@pytest.fixture
def start_ollama(ollama_version: str, ollama_store: Path, tmp_path: Path) -> Iterator[Callable[..., OllamaServer]]:
    """``start_ollama(OLLAMA_MAX_QUEUE="1")`` gives a running server of one's own; stopped when the test ends."""
    with ExitStack() as stack:

        def start(**env: str) -> OllamaServer:
            folder = tmp_path / f"ollama-{len(list(tmp_path.glob('ollama-*')))}"
            binary = ollama_binaries()[ollama_version]
            return stack.enter_context(OllamaServer(folder, binary=binary, store=ollama_store, **env))

        yield start


@pytest.fixture
def ollama(start_ollama: Callable[..., OllamaServer]) -> OllamaServer:
    """A fresh Ollama with every test model and nothing loaded."""
    return start_ollama()


@pytest.fixture
def start_daemon(ollama: OllamaServer) -> Iterator[Callable[..., DaemonProcess]]:
    """``start_daemon(budget="2GB", more="...")`` gives a running innkeepd before ``ollama``; the fixture stops it."""
    with ExitStack() as stack:

        def start(**said: object) -> DaemonProcess:
            return stack.enter_context(DaemonProcess(ollama, **said))  # type: ignore[arg-type] - as DaemonProcess takes them

        yield start


@pytest.fixture
def daemon(start_daemon: Callable[..., DaemonProcess]) -> DaemonProcess:
    """The small daemon with its defaults, before a fresh Ollama."""
    return start_daemon()
