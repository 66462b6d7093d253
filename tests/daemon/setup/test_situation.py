import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from innkeep.wire import MemoryState
from innkeepd.backends.backend import BackendFault
from innkeepd.errors import ConfigError, DaemonError
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.memory.reading import Reading
from innkeepd.policy.model import GIB
from innkeepd.service.cli import World
from innkeepd.service.probe import Answer, Kept
from innkeepd.setup.situation import look
from support.doctor import reading_of


class FakeOllama:
    """An Ollama with the default models."""

    url = "http://127.0.0.1:11434"

    def forward(self, *_args):
        raise BackendFault("backend_unreachable", "refused")

    async def aclose(self):
        """Nothing to close."""


@pytest.fixture
def home():
    with tempfile.TemporaryDirectory(prefix="ik") as folder:
        yield Path(folder)


def looked(home, kept=None, reading=None, text=None):
    if text is not None:
        (home / "config.toml").write_text(text)
    world = World(
        {"INNKEEP_HOME": str(home), "HOME": str(home)}, 501, "linux", ask=lambda *_: Answer("welcome", "0.1.0", 7)
    )
    door = SimpleNamespace(read=lambda: reading or reading_of())
    return look(world, door=door, reach=lambda _config: FakeOllama(), kept=lambda _socket: kept)


def test_without_a_daemon_this_machine_counts(home):
    found = looked(home)
    assert (found.budget.bytes, found.ollama.reachable, found.pid, found.has_roles) == (27 * GIB, False, None, False)
    assert found.file == home / "config.toml"
    assert not found.has_defaults


def test_roles_of_the_file_are_seen(home):
    assert looked(home, text='[roles.general]\nprimary = "x:1"\n').has_roles


def test_a_daemon_that_simulates_tells_its_machine(home):
    memory = MemoryState(total=16 * GIB, budget=10 * GIB, available=9 * GIB, pressure="normal", source="simulated")
    found = looked(home, Kept("http://127.0.0.1:9", memory, config_file="", http=""))
    assert (found.budget.bytes, found.free, found.pid, found.ollama.is_simulated) == (10 * GIB, 9 * GIB, 7, True)


def test_a_daemon_of_another_file_is_not_told_to_read_this_one(home):
    other = home / "other.toml"
    other.write_text("")
    assert looked(home, Kept("http://127.0.0.1:9", None, config_file=str(other), http="")).pid is None


def test_a_broken_file_and_unreadable_memory_are_faults(home):
    with pytest.raises(DaemonError, match="can't be read"):
        looked(home, reading=Reading(platform="linux", source="nobody"))
    with pytest.raises(ConfigError):
        looked(home, text="[")


def test_a_model_is_judged_pulled_or_not(home):
    found = looked(home)
    assert [found.judge(model)["fit"] for model in KNOWN_MODELS[1:]] == ["fits", "never", "fits"]
