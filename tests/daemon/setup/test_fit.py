import json

import pytest

from innkeepd.errors import ConfigError, DaemonError
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.memory.unpulled import model_by_size
from innkeepd.service.facts import Running
from innkeepd.setup import fit
from support.setup import no_registry, situation, world

GIB = 2**30


@pytest.fixture
def run(tmp_path):
    def command(*argv, pulled=(), registry=no_registry, running=()):
        said = []
        now = situation(pulled, tmp_path)
        now.ollama.running.extend(running)
        return fit.main(argv, world(said), lambda _world: now, registry), "\n".join(said)

    return command


def test_a_model_is_judged_by_its_name_where_nothing_else_is_known(run):
    status, out = run("qwen3:14b")
    assert (status, out.splitlines()[0]) == (0, "qwen3:14b: fits")
    assert "estimated for 14 billion parameters in Q4_K_M" in out


def test_one_that_never_fits_is_status_1(run):
    status, out = run("llama3.1:8b", "llama3.3")
    assert status == 1
    assert "llama3.3:latest: never fits this machine" in out
    assert "41.9 GiB in memory at 4096 tokens, of a budget of 27.0 GiB" in out


def test_the_registry_is_believed_before_the_name(run):
    async def registry(name):
        return model_by_size(name, 14_800_000_000, 9 * GIB, "Q4_K_M")

    status, out = run("qwen3:14b", "--json", registry=registry)
    found = json.loads(out)
    assert (status, found["source"], found["size"], found["fit"]) == (0, "registry", 9 * GIB, "fits")


def test_a_pulled_model_needs_no_guess(run):
    found = json.loads(run("llama3.1:8b", "--json", pulled=KNOWN_MODELS)[1])
    assert (found["source"], found["pulled"]) == ("pulled", True)


def test_what_must_leave_first_is_said(run):
    running = [Running("qwen2.5-coder:32b", 21 * GIB)]
    _, out = run("deepseek-r1:32b", pulled=KNOWN_MODELS, running=running)
    assert "fits once other models are unloaded" in out
    assert "qwen2.5-coder:32b must be unloaded first" in out


def test_a_name_that_says_nothing_is_told_how_to_be_asked(run):
    status, out = run("somebody/thing")
    assert (status, "such as somebody/thing:8b" in out) == (1, True)
    assert json.loads(run("x", "--json")[1])["fit"] == "unknown"


@pytest.mark.parametrize(("fault", "status"), [(ConfigError("x: y"), 78), (DaemonError("no memory"), 1)])
def test_a_fault_is_one_line(fault, status, capsys):
    def look(_world):
        raise fault

    assert fit.main(["a:1b"], world([]), look) == status
    assert capsys.readouterr().err == f"innkeep: {fault}\n"
