import socket
from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio
import pytest

from innkeep.wire import MemoryState
from innkeepd.backends.backend import BackendFault, Running
from innkeepd.config.derived import memory_policy
from innkeepd.config.schema import Config, MemoryConfig, ModelConfig, OllamaConfig
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.model import GIB
from innkeepd.service import collect as gathering
from innkeepd.service.collect import collect, connect
from innkeepd.service.facts import Program
from innkeepd.service.launchctl import run_command
from innkeepd.service.probe import Kept
from innkeepd.service.processes import Sightings
from support.doctor import reading_of
from support.service import FakeMac

pytestmark = pytest.mark.processes


class FakeOllama:
    """An Ollama as far as the doctor asks; ``broken`` methods fail, ``hangs`` never answers."""

    url = "http://127.0.0.1:11434"

    def __init__(self, *, headers=None, broken=(), hangs: bool = False) -> None:
        self.headers, self.broken, self.hangs, self.closed = headers or {}, broken, hangs, False

    @asynccontextmanager
    async def forward(self, method, path, body=None, headers=None):
        if self.hangs:
            await anyio.sleep_forever()
        if "forward" in self.broken:
            raise BackendFault("backend_unreachable", "connection refused")
        yield SimpleNamespace(headers=self.headers)

    async def version(self):
        return "0.17.4"

    async def pulled(self):
        if "pulled" in self.broken:
            raise BackendFault("backend_error", "odd")
        return list(KNOWN_MODELS)

    async def running(self):
        return [Running("llama3.1:8b", 5 * GIB, 4096)]

    async def aclose(self):
        self.closed = True


def pretended(total: int = 36 * GIB, budget: int = 27 * GIB) -> MemoryState:
    return MemoryState(total=total, budget=budget, available=20 * GIB, pressure="warning", source="simulated")


def examined(mac: FakeMac, ollama: FakeOllama | None = None, seen: Sightings | None = None, kept=None):
    ollama = ollama or FakeOllama()
    facts = collect(
        mac.everything(),
        door=SimpleNamespace(read=reading_of),
        reach=lambda _config: ollama,
        sightings=lambda _url: seen or Sightings(),
        kept=lambda _socket: kept,
    )
    assert ollama.closed
    return facts


def test_a_mac_is_looked_at_from_all_sides(mac: FakeMac):
    mac.agent().install()
    mac.set(env={"OLLAMA_KEEP_ALIVE": "-1"})
    seen = Sightings({11434: Program(21, "ollama"), 11435: Program(4001, "innkeepd")}, [Program(44, "node")])
    facts = examined(mac, seen=seen)
    assert facts.answer == mac.answer
    assert facts.view.installed
    assert (facts.ollama.reachable, facts.ollama.version) == (True, "0.17.4")
    assert (facts.ollama.launcher, facts.ollama.environment) == ("app", {"OLLAMA_KEEP_ALIVE": "-1"})
    assert [one.name for one in facts.ollama.running] == ["llama3.1:8b"]
    assert (facts.socket.exists, facts.socket.is_socket, facts.socket.mode) == (True, True, 0o600)
    assert facts.direct == [Program(44, "node")]
    assert facts.http_holder == Program(4001, "innkeepd")
    assert facts.budget.bytes == 27 * GIB
    assert {str(line["name"]): line["fit"] for line in facts.verdicts}["llama3.3:latest"] == "never"
    assert facts.disk_free > 0
    assert facts.rival is None


def test_innkeep_in_ollamas_place_is_known_by_its_headers(mac: FakeMac):
    assert examined(mac, FakeOllama(headers={"x-innkeep-request": "1"})).ollama.is_us
    assert not examined(mac, FakeOllama(headers={"content-type": "json"})).ollama.is_us


def test_an_ollama_that_is_down_or_half_broken_is_a_fact_and_no_fault(mac: FakeMac):
    down = examined(mac, FakeOllama(broken=("forward",))).ollama
    assert (down.reachable, down.fault) == (False, "connection refused")
    half = examined(mac, FakeOllama(broken=("pulled",))).ollama
    assert (half.reachable, half.pulled) == (True, [])


def test_an_ollama_that_the_daemon_simulates_is_the_one_examined(mac: FakeMac):
    facts = examined(mac, kept=Kept("http://127.0.0.1:40001", pretended()))
    assert facts.ollama.is_simulated
    assert facts.config.ollama.url == "http://127.0.0.1:40001"
    assert not examined(mac, kept=Kept("http://127.0.0.1:11434")).ollama.is_simulated


def test_the_memory_that_the_daemon_simulates_is_the_one_judged(mac: FakeMac):
    facts = examined(mac, kept=Kept("http://127.0.0.1:40001", pretended(total=128 * GIB, budget=96 * GIB)))
    assert (facts.budget.bytes, facts.budget.total) == (96 * GIB, 128 * GIB)
    assert facts.reading.pressure == "warning"
    assert facts.reading.free_now == 20 * GIB
    assert {str(line["name"]): line["fit"] for line in facts.verdicts}["llama3.3:latest"] != "never"


def test_an_ollama_that_hangs_is_given_up(mac: FakeMac, monkeypatch):
    monkeypatch.setattr(gathering, "PATIENCE", 0.01)
    assert not examined(mac, FakeOllama(hangs=True)).ollama.reachable


def test_an_ollama_on_another_machine_has_no_processes_and_no_disk_here(mac: FakeMac):
    mac.paths.home.mkdir()
    (mac.paths.home / "config.toml").write_text('[ollama]\nurl = "http://10.0.0.5:11434"\n')
    facts = examined(mac)
    assert (facts.direct, facts.disk_free, facts.ollama.environment) == (None, None, None)


def test_a_broken_configuration_is_a_fact_and_the_defaults_go_on(mac: FakeMac):
    mac.paths.home.mkdir()
    (mac.paths.home / "config.toml").write_text("[roles\n")
    facts = examined(mac)
    assert "config.toml" in facts.config_fault
    assert facts.config == Config()


def test_homebrews_own_service_is_seen(mac: FakeMac):
    job = {"label": "homebrew.mxcl.innkeep", "path": "/x", "pid": 1, "runs": 1, "last_exit": None, "last_signal": None}
    job |= {"throttled": False, "leaves_at": None}
    job |= {"plist": {"ProgramArguments": ["/x"], "ThrottleInterval": 10, "ExitTimeOut": 5}}
    mac.set(jobs={"gui/501/homebrew.mxcl.innkeep": job})
    assert examined(mac).rival == "gui/501/homebrew.mxcl.innkeep"


def test_a_machine_without_a_service_manager_is_a_fact(mac: FakeMac):
    (mac.bin / "launchctl").unlink()

    def missing(command):
        return run_command(["no-such-launchctl", *command[1:]])

    mac.run = missing
    facts = examined(mac)
    assert facts.view is None
    assert "no-such-launchctl" in facts.view_fault
    assert facts.rival is None


def test_linux_is_looked_at_too(linux: FakeMac):
    linux.unit().install()
    facts = examined(linux)
    assert facts.view.target == "innkeepd.service"
    assert facts.rival is None


def test_what_the_configuration_says_of_memory_reaches_the_policy():
    config = Config(
        memory=MemoryConfig(budget=5, gpu_limit=6),
        models={"a:latest": ModelConfig(context=4096, weight="heavy", parallel=2)},
    )
    policy = memory_policy(config)
    assert (policy.budget, policy.gpu_limit, policy.contexts, policy.weights, policy.parallel) == (
        5,
        6,
        {"a:latest": 4096},
        {"a:latest": "heavy"},
        {"a:latest": 2},
    )


def test_a_real_closed_port_is_an_ollama_that_is_down():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config = Config(ollama=OllamaConfig(url=f"http://127.0.0.1:{closed.getsockname()[1]}"))
        ollama = anyio.run(gathering.ask_ollama, config, connect)
    assert not ollama.reachable
    assert "refused" in ollama.fault


def test_a_running_daemon_is_asked_for_its_configuration_and_its_addresses(mac: FakeMac):
    """This shell's OLLAMA_HOST, which often points at innkeep itself, says nothing about it."""
    file = mac.root / "other.toml"
    file.write_text('[roles.general]\nprimary = "tiny:latest"\nfallbacks = []\n')
    mac.environ["OLLAMA_HOST"] = "127.0.0.1:11435"
    running = Kept("http://127.0.0.1:40001", config_file=str(file), http="127.0.0.1:11535")
    facts = examined(mac, kept=running)
    assert facts.config_fault == ""
    assert facts.config.file == file
    assert facts.config.roles["general"].primary == "tiny:latest"
    assert (facts.config.ollama.url, facts.config.http.port) == ("http://127.0.0.1:40001", 11535)


def test_a_file_that_broke_under_a_running_daemon_leaves_it_its_addresses(mac: FakeMac):
    mac.paths.home.mkdir(exist_ok=True)
    (mac.paths.home / "config.toml").write_text("[roles\n")
    facts = examined(mac, kept=Kept("http://127.0.0.1:40001", config_file="", http=""))
    assert "not TOML" in facts.config_fault
    assert facts.config.ollama.url == "http://127.0.0.1:40001"
    assert not facts.config.http.enabled


def test_a_model_that_is_not_pulled_and_never_fits_is_known_before_it_is_pulled(mac: FakeMac):
    class Bare(FakeOllama):
        async def pulled(self):
            return []

    facts = examined(mac, Bare())
    assert {line["name"]: line["fit"] for line in facts.verdicts}["llama3.3:latest"] == "never"


def test_a_client_whose_file_names_ollamas_port_is_seen(mac: FakeMac):
    file = mac.paths.user_home / ".aider.conf.yml"
    file.write_text("set-env: [OLLAMA_API_BASE=http://127.0.0.1:11434]\n")
    assert examined(mac).asking_ollama == [("aider", file)]
    file.write_text("set-env: [OLLAMA_API_BASE=http://127.0.0.1:11435]\n")
    assert examined(mac).asking_ollama == []
