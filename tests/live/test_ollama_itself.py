"""What the house is built on: the real Ollama does what our notes say, and the fixture shows it truly."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

from support.ollama import OllamaServer, PsSampler

NEVER_FITS = {False: "model requires more system memory", True: "llama-server process has terminated: exit status 1"}
"""By whether llama-server runs the models: its own last words, "insufficient memory", may come too late."""


def test_loads_shows_answers_and_unloads(ollama):
    assert ollama.loaded() == set()
    loaded = ollama.load("mid", options={"num_ctx": 2048})
    assert (loaded.status, loaded.body["done_reason"]) == (200, "load")
    (shown,) = ollama.ps()
    assert (shown["name"], shown["context_length"]) == ("mid:latest", 2048)
    assert shown["size"] > 63_000_000
    answer = ollama.chat("mid", options={"num_ctx": 2048, "num_predict": 5, "seed": 1})
    assert (answer.status, answer.body["done_reason"], answer.body["eval_count"]) == (200, "length", 5)
    assert ollama.unload("mid").body["done_reason"] == "unload"
    ollama.wait_for_ps()


def test_the_same_seed_gives_the_same_answer(ollama):
    options = {"num_ctx": 2048, "num_predict": 8, "seed": 7}
    first, second = (ollama.chat("mid", options=options).body["message"]["content"] for _ in range(2))
    assert first == second
    assert first


def test_a_request_that_can_never_fit_evicts_everybody_pinned_ones_too(ollama, llama_server):
    ollama.load("mid", keep_alive=-1)
    ollama.load("tiny", keep_alive=-1)
    assert ollama.loaded() == {"mid", "tiny"}
    refused = ollama.chat("longctx", options={"num_ctx": 8_000_000})
    assert refused.status == 500
    assert NEVER_FITS[llama_server] in refused.body["error"]
    ollama.wait_for_ps()


def test_a_derived_model_carries_the_context_that_can_never_fit(ollama, llama_server):
    refused = ollama.chat("neverfits")
    assert refused.status == 500
    assert NEVER_FITS[llama_server] in refused.body["error"]


def test_names_of_the_same_weights_share_one_runner(ollama):
    ollama.load("big")
    assert ollama.chat("bigalias", options={"num_predict": 1}).status == 200
    assert ollama.loaded() == {"big"}
    assert len(ollama.runners()) == 1


def test_two_heavy_models_have_weights_of_their_own(ollama):
    ollama.load("big")
    ollama.load("big2")
    assert ollama.loaded() == {"big", "big2"}
    assert len(ollama.runners()) == 2


def test_a_broken_file_is_a_load_failure(ollama, llama_server):
    failed = ollama.chat("broken")
    assert failed.status == 500
    # The runner's last words may come too late for the answer.
    words = (
        ["tensor 'blk.0.ffn_down.weight' not found"] if llama_server else ["missing tensor 'blk.0", "resource limit"]
    )
    assert any(each in failed.body["error"] for each in words), failed


def test_a_runner_killed_in_mid_answer_ends_the_stream_with_an_error(ollama):
    lines = ollama.stream("/api/chat", _long_chat("big"))
    assert next(lines)["done"] is False
    assert ollama.kill_runner() == 1
    assert "unexpected EOF" in list(lines)[-1]["error"]


def test_frozen_runners_stall_and_go_on(ollama):
    lines = ollama.stream("/api/chat", _long_chat("mid", tokens=60))
    next(lines)
    with ollama.frozen_runners():
        assert [runner.status() for runner in ollama.runners()] == ["stopped"]
        assert ollama.loaded() == {"mid"}
    assert list(lines)[-1]["done_reason"] == "length"


def test_a_restart_keeps_the_address_and_the_models_and_loads_nothing(ollama):
    ollama.load("tiny")
    before = ollama.url
    ollama.restart()
    assert (ollama.url, ollama.loaded()) == (before, set())
    assert ollama.chat("tiny", options={"num_predict": 1}).status == 200


def test_a_full_queue_is_told_from_other_failures(start_ollama: Callable[..., OllamaServer]):
    server = start_ollama(OLLAMA_MAX_QUEUE="1", OLLAMA_MAX_LOADED_MODELS="1")
    busy = server.stream("/api/chat", _long_chat("big"))
    next(busy)
    # Of those who want another model one waits for the busy one to leave, one stands in the queue, the rest is refused.
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(server.chat, "mid", options={"num_predict": 1}) for _ in range(4)]
        refused = next(as_completed(asked)).result()
        busy.close()
        assert 200 in {one.result().status for one in asked}
    assert refused.status == 503
    assert "maximum pending requests exceeded" in refused.body["error"]


def test_capabilities_follow_the_templates(ollama):
    def capabilities(model: str) -> set[str]:
        return set(ollama.ask("POST", "/api/show", {"model": model}).body["capabilities"])

    assert capabilities("mid") == {"completion"}
    assert capabilities("tools") == {"completion", "tools"}
    assert capabilities("think") == {"completion", "thinking"}
    assert ollama.chat("think", think=True).status == 200
    assert ollama.chat("mid", think=True).status == 400


def test_the_sampler_sees_every_state(ollama):
    with PsSampler(ollama.port) as sampler:
        ollama.load("mid")
        sampler.wait_for("mid")
        ollama.load("tiny")
        sampler.wait_for("mid", "tiny")
        ollama.unload("mid")
        sampler.wait_for("tiny")
        ollama.unload("tiny")
        sampler.wait_for()
    assert sampler.history() == [(), ("mid",), ("mid", "tiny"), ("tiny",), ()]
    assert sampler.seen_together("mid", "tiny")
    assert not sampler.seen_together("mid", "big")
    assert sampler.unanswered == 0


def _long_chat(model: str, tokens: int = 1000) -> dict[str, object]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": "hello"}],
        "options": {"num_predict": tokens, "num_ctx": 2048},
    }
