"""The daemon owns contexts, stays and idleness: what it says to Ollama is what Ollama shows, and leaving is proved."""

import time

import pytest

from innkeep import wire
from innkeep.errors import ContextOverflow, OnHold, Unsupported
from innkeepd.backends.ollama_wire import epoch

GROWS = {
    False: {"budget": "3MB", "heavy": "tiny", "other": "tools", "light": "roomy"},
    True: {"budget": "900MB", "heavy": "big", "other": "big2", "light": "longctx"},
}
"""By whether llama-server runs the models, whose buffers are larger than the tiny ones: beside the heavy one there is
room for 4096 tokens of the light one; alone it may have 8192 (2.3 of 3 MB, 600 of 900 MB)."""
HEAVY_TINY = """
[models.tiny]
weight = "heavy"
[models.roomy]
weight = "light"
"""


def shown(ollama, name):
    return next(line for line in ollama.ps() if line["name"] == f"{name}:latest")


def stays_for(line):
    """Seconds that Ollama will keep it."""
    at: float = epoch(line["expires_at"])
    return at - time.time()


def test_context_and_stay_are_ours_whatever_the_client_says(ollama, daemon):
    with daemon.client() as client:
        theirs = {"num_ctx": 512, "num_thread": 2, "num_predict": 2}
        for _ in range(2):
            client.chat("hello", model="mid", options=theirs).read()
            client.chat("hello", model="mid", options={"num_predict": 2}).read()
    line = shown(ollama, "mid")
    assert line["context_length"] == daemon.resident()["mid"].context == 4096
    assert 1700 < stays_for(line) <= 1800
    assert daemon.status().counters.loads == 1
    assert len(ollama.runners()) == 1


@pytest.mark.since_0_30("so small a budget holds no process of the older runner, which is weighed too")
def test_a_prompt_over_the_context_grows_it_by_one_reload(ollama, llama_server, start_daemon):
    small, light = GROWS[llama_server], GROWS[llama_server]["light"]
    daemon = start_daemon(more=HEAVY_TINY, **small)
    daemon.ask(light, "short")
    assert shown(ollama, light)["context_length"] == daemon.resident()[light].context == 4096
    said = daemon.ask(light, "x" * 4200)
    assert [each.code for each in said.done.attempts] == ["context_overflow", None]
    assert said.done.usage.prompt_tokens == 4201  # nothing was cut
    assert shown(ollama, light)["context_length"] == daemon.resident()[light].context == 8192
    # It does not shrink while it is in memory.
    runners = {runner.pid for runner in ollama.runners()}
    daemon.ask(light, "short again")
    assert {runner.pid for runner in ollama.runners()} == runners
    assert ollama.loads() == daemon.status().counters.loads == 2


def test_a_prompt_that_no_context_holds_is_told_and_never_cut(ollama, daemon):
    with pytest.raises(ContextOverflow) as overflow:
        daemon.ask("tiny", "x" * 5000)
    assert overflow.value.code == "context_overflow"
    assert daemon.ask("tiny").done.model == "tiny:latest"


def test_names_of_the_same_weights_share_a_runner_and_leave_together(ollama, daemon):
    daemon.ask("big")
    runners = {runner.pid for runner in ollama.runners()}
    assert daemon.ask("bigalias").done.model == "bigalias:latest"
    assert {runner.pid for runner in ollama.runners()} == runners
    assert daemon.status().counters.loads == 1
    with daemon.client() as client:
        assert client.unload("bigalias").model == "bigalias:latest"
    assert ollama.loaded() == set()
    assert ollama.runners() == []


def test_unload_returns_when_ollama_shows_it_gone(ollama, daemon):
    with daemon.client() as client:
        client.load("mid")
        client.load("tiny")
        assert ollama.loaded() == {"mid", "tiny"}
        client.unload("mid")
        assert ollama.loaded() == {"tiny"}
        client.load("mid")
        client.unload(all=True)
    assert ollama.loaded() == set()
    assert daemon.status().resident == []


def test_who_is_idle_leaves_and_that_is_proved(ollama, start_daemon):
    daemon = start_daemon(idle_unload="1s")
    with daemon.client() as client:
        watch = client.watch(["residency"])
        assert isinstance(next(watch), wire.Status)
        daemon.ask("mid")
        heard = []
        while "unloaded" not in [event.what for event in heard]:
            heard.append(next(watch))
        watch.close()
    assert [event.what for event in heard] == ["loading", "loaded", "unloading", "unloaded"]
    assert heard[2].data["reason"] == "idle"
    assert ollama.loaded() == set()


def test_a_hold_gives_the_memory_back_pins_too_until_it_is_resumed(ollama, daemon):
    daemon.ask("mid")
    with daemon.client() as client:
        client.pin("mid")
        assert client.hold(600).until > time.time() + 500
        assert ollama.loaded() == set()
        with pytest.raises(OnHold):
            daemon.ask("mid", patience=0.2)
        assert ollama.loaded() == set()
        assert client.status().held_until is not None
        client.resume()
    assert daemon.ask("mid").done.model == "mid:latest"
    assert daemon.status().held_until is None


def test_embeddings_come_by_the_same_way(ollama, daemon):
    with daemon.client() as client:
        reported = client.embed(["one", "two"], model="embedder")
    assert reported.model == "embedder:latest"
    assert [len(vector) for vector in reported.embeddings] == [64, 64]
    assert reported.embeddings[0] != reported.embeddings[1]
    assert shown(ollama, "embedder")["context_length"] == 4096


@pytest.mark.before_0_30("llama-server embeds with embedding models only: see the next test")
def test_a_chat_model_embeds_too(ollama, daemon):
    with daemon.client() as client:
        reported = client.embed(["one", "two"], model="mid")
    assert [len(vector) for vector in reported.embeddings] == [512, 512]


@pytest.mark.since_0_30("every model embedded before")
def test_an_embedding_asked_of_a_chat_model_is_refused_before_anything_moves(ollama, start_daemon):
    daemon = start_daemon(http=True)
    daemon.ask("big")
    with daemon.client() as client, pytest.raises(Unsupported) as refused:
        client.embed("one", model="big2")
    assert "embed" in refused.value.message
    for path, body in (
        ("/api/embed", {"input": "a"}),
        ("/api/embeddings", {"prompt": "a"}),
        ("/v1/embeddings", {"input": "a"}),
    ):
        answer = daemon.post(path, {"model": "big2", **body})
        assert (answer.status, b"embed" in answer.data) == (400, True), (path, answer)
    assert (ollama.loads(), ollama.loaded()) == (1, {"big"})
    assert daemon.status().counters.loads == 1


def test_what_a_model_cannot_do_is_told_in_ollamas_words(ollama, daemon):
    with pytest.raises(Unsupported, match="does not support thinking"):
        daemon.ask("mid", think=True)
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
    with pytest.raises(Unsupported, match="does not support tools"):
        daemon.ask("mid", tools=[tool])
    assert daemon.ask("tools", tools=[tool]).done.model == "tools:latest"
    assert daemon.ask("mid", tools=[tool], fallbacks=["tools"]).done.model == "tools:latest"


def test_thinking_comes_apart_from_the_answer(ollama, daemon):
    with daemon.client() as client:
        replies = list(client.chat("hello", model="think", think=True, options={"num_predict": 5}).replies())
    deltas = [reply for reply in replies if isinstance(reply, wire.Delta)]
    assert any(delta.thinking for delta in deltas)
    assert isinstance(replies[-1], wire.Done)
