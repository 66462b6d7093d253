"""Models of another host."""

import pytest

from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import V33

pytestmark = pytest.mark.anyio

CLOUD = "gpt-oss:120b-cloud"
BODY = {"model": CLOUD, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def ollama():
    return V33


@pytest.fixture
def simulator(ollama):
    return Simulator(ollama=ollama, new_kinds=True)


async def test_it_answers_and_holds_nothing_here(simulator, ask):
    got = await ask("POST", "/api/chat", BODY)
    assert got.lines[-1]["done"] is True
    assert got.lines[0]["remote_model"] == "gpt-oss:120b"
    assert (await ask("POST", "/v1/chat/completions", BODY)).json["choices"][0]["finish_reason"] == "stop"
    assert (simulator.loads, simulator.machine.runner_bytes()) == ([], 0)
    assert (await ask("GET", "/api/ps")).json == {"models": []}
    assert len(simulator.journal.sent_away) == 2


async def test_its_load_and_unload_leave_this_machine_too(simulator, ask):
    for keep in (300, 0):
        assert (await ask("POST", "/api/generate", {"model": CLOUD, "keep_alive": keep})).status == 200
    assert [each.path for each in simulator.journal.sent_away] == ["https://ollama.com:443/api/generate"] * 2


async def test_tags_tells_whose_it_is(ask):
    line = (await ask("GET", "/api/tags")).json["models"][-1]
    assert (line["name"], line["remote_model"]) == (CLOUD, "gpt-oss:120b")
    assert "capabilities" not in line
