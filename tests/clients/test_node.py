"""npm's ``ollama`` and ``openai``, unmodified."""

import json
import subprocess

import pytest


@pytest.fixture(scope="module")
def found(served, node_clients):
    models = {name: getattr(served, name) for name in ("chats", "embeds", "calls", "thinks", "endless", "many")}
    command = ["node", "clients.mjs", served.url, json.dumps(models)]
    done = subprocess.run(command, cwd=node_clients, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_lists_and_shows(served, found):
    assert {"auto", "coding", "reasoning", "general"} <= set(found["names"])
    assert "completion" in found["capabilities"]
    assert found["version"]
    assert sorted(found["names"]) == sorted(found["models"])
    assert found["model"] == served.chats
    assert any(name.startswith(served.chats) for name in found["running"])


def test_chats_whole_and_streamed(found):
    assert found["whole"]
    assert "".join(found["pieces"]) == found["whole"]
    assert len(found["pieces"]) > 5
    assert found["auto"] == "auto"
    assert found["tools"] is True
    assert found["thinking"] is True
    assert "".join(found["openaiPieces"]) == found["openai"]


def test_embeds(found):
    assert found["embeddings"] == [found["floats"]] * 2


def test_responses_come_as_typed_events(found):
    assert found["response"] == "completed"
    assert found["events"][0] == "response.created"
    assert found["events"][-1] == "response.completed"


def test_an_unknown_model_is_404(found):
    assert (found["missing"], found["openaiMissing"]) == (404, 404)


def test_who_leaves_in_mid_answer_frees_the_model_within_a_second(served, found):
    assert found["cancelled"] == "AbortError"
    assert found["left"] is True
    assert served.wait_until_free() < 1
