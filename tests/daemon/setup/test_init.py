import io
import json
import signal
import tomllib

import pytest

from innkeepd.config.schema import Config
from innkeepd.errors import ConfigError
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.setup import init
from support.setup import situation, world


@pytest.fixture
def run(tmp_path, capsys):
    def command(*argv, pulled=KNOWN_MODELS, read=None, **changes):
        said = []
        now = situation(pulled, tmp_path, **changes)
        status = init.main(argv, world(said), lambda _world: now, read)
        return status, "\n".join(said), capsys.readouterr().err

    return command


def test_yes_writes_the_roles_with_reasons_as_comments(run, tmp_path):
    status, out, _ = run("--yes")
    assert status == 0
    text = (tmp_path / "config.toml").read_text()
    assert "[roles.coding]\n# init: qwen2.5-coder:32b: made for code; takes 20.4 GiB at 4096 tokens\n" in text
    assert tomllib.loads(text)["roles"]["general"] == {"primary": "llama3.1:8b", "fallbacks": []}
    assert "coding: qwen2.5-coder:32b -> deepseek-r1:32b -> llama3.1:8b" in out
    assert "llama3.3:latest never fits this machine (41.9 GiB)" in out
    assert "it counts from the daemon's next start" in out


def test_written_twice_is_written_once(run, tmp_path):
    run("--yes")
    status, out, _ = run("--yes")
    assert (status, "says so already" in out) == (0, True)
    assert not (tmp_path / "config.toml.bak").exists()


def test_a_dry_run_and_json_write_nothing(run, tmp_path):
    assert run("-n")[0] == 0
    assert run("-n", "--yes")[0] == 0
    status, out, _ = run("--json")
    found = json.loads(out)
    assert (status, found["written"], found["roles"]["general"]["primary"]) == (0, False, "llama3.1:8b")
    assert not (tmp_path / "config.toml").exists()


def test_json_with_yes_writes_and_says_where(run, tmp_path):
    (tmp_path / "config.toml").write_text("# mine\n")
    found = json.loads(run("--json", "--yes")[1])
    assert (found["written"], found["backup"]) == (True, str(tmp_path / "config.toml.bak"))
    assert (tmp_path / "config.toml").read_text().startswith("# mine\n\n[roles.coding]\n# init: ")


@pytest.mark.parametrize(("answer", "written"), [("", True), ("Y", True), ("네", True), ("n", False), ("what", False)])
def test_a_person_is_asked(run, tmp_path, answer, written):
    asked = []
    status, _, err = run(read=lambda question: asked.append(question) or answer)
    assert (status == 0, (tmp_path / "config.toml").exists()) == (written, written)
    assert "Write these roles to" in asked[0]
    assert written or "nothing written" in err


def test_whoever_leaves_at_the_question_changes_nothing(run, tmp_path):
    def leave(_question):
        raise EOFError

    assert run(read=leave)[0] == 1
    assert not (tmp_path / "config.toml").exists()


def test_roles_of_ones_own_are_said_to_be_replaced(run):
    asked = []
    run(config=Config(sources={"roles.coding.primary": "x"}), read=lambda question: asked.append(question) or "n")
    assert "Replace the roles in" in asked[0]


def test_without_a_person_nothing_is_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    status, _, err = run()
    assert (status, "`innkeep init --yes` writes this" in err) == (1, True)


def test_with_nothing_pulled_it_says_what_fits(run):
    status, out, _ = run(pulled=())
    assert status == 1
    assert "no model is pulled" in out
    assert "coding: innkeep pull qwen2.5-coder:32b" in out
    assert json.loads(run("--json", pulled=())[1])["roles"] == {}


def test_an_ollama_that_is_down_and_a_broken_configuration_are_one_line(run, tmp_path, capsys):
    status, _, err = run(reachable=False)
    assert (status, err.count("\n"), "ollama serve" in err) == (4, 1, True)

    def broken(_world):
        raise ConfigError("config.toml: line 1: not TOML")

    assert init.main([], world([]), broken) == 78
    assert capsys.readouterr().err == "innkeep: config.toml: line 1: not TOML\n"


def test_a_file_that_would_be_wrong_is_left_as_it_was(run, tmp_path):
    (tmp_path / "config.toml").write_text("nonsense = 1\n")
    status, _, err = run("--yes")
    assert (status, "left as it was" in err) == (1, True)
    assert (tmp_path / "config.toml").read_text() == "nonsense = 1\n"


def test_the_running_daemon_reads_it(run, monkeypatch):
    sent = []
    monkeypatch.setattr("os.kill", lambda pid, number: sent.append((pid, number)))
    assert "the daemon has read it" in run("--yes", pid=77)[1]
    assert sent == [(77, signal.SIGHUP)]
