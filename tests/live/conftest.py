"""Live tests talk to a real Ollama with tiny models; where there is no binary they say so in one line and skip."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.live import Inn
from support.ollama import HOW_TO_GET_ONE, OllamaServer, model_store, ollama_binary

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder is a live one; nobody has to remember the mark."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Skip from here, not from a fixture or a mark: only so does pytest fold all live tests into one line."""
    if ollama_binary() is None:
        pytest.skip(HOW_TO_GET_ONE)


@pytest.fixture(scope="session")
def ollama_store() -> Path:
    """A models folder with all of ``gguf_models.RECIPES``; to be read only, servers get links to it."""
    return model_store()


@pytest.fixture
def start_ollama(ollama_store: Path, tmp_path: Path) -> Iterator[Callable[..., OllamaServer]]:
    """``start_ollama(OLLAMA_MAX_QUEUE="1")`` gives a running server of one's own; stopped when the test ends."""
    with ExitStack() as stack:

        def start(**env: str) -> OllamaServer:
            folder = tmp_path / f"ollama-{len(list(tmp_path.glob('ollama-*')))}"
            return stack.enter_context(OllamaServer(folder, store=ollama_store, **env))

        yield start


@pytest.fixture
def ollama(start_ollama: Callable[..., OllamaServer]) -> OllamaServer:
    """A fresh Ollama with every test model and nothing loaded."""
    return start_ollama()


@pytest.fixture
def open_inn(ollama: OllamaServer) -> Iterator[Callable[..., Inn]]:
    """``open_inn(budget="2GB", more="...")`` gives a running innkeepd before ``ollama``; stopped when the test ends."""
    with ExitStack() as stack:

        def start(**said: object) -> Inn:
            return stack.enter_context(Inn(ollama, **said))  # type: ignore[arg-type] - as Inn takes them

        yield start


@pytest.fixture
def inn(open_inn: Callable[..., Inn]) -> Inn:
    """The small house with its defaults, before a fresh Ollama."""
    return open_inn()
