"""Runners die, files are broken, Ollama goes away and comes back: each ends honestly, and the next request works."""

import time

import pytest

from innkeep import wire
from innkeep.errors import BackendUnreachable, InnkeepError, LoadFailed, OutOfMemory
from support.live import options


def test_a_runner_killed_in_mid_answer_is_told_as_partial_and_the_next_request_works(ollama, daemon):
    kinds = []
    with daemon.client() as client, pytest.raises(InnkeepError) as broken:
        # It has a fallback, which must not continue a text that is not its own.
        answer = client.chat("tell me all", model="big", fallbacks=["mid"], options=options(1000))
        for reply in answer.replies():
            kinds.append(type(reply))
            if kinds.count(wire.Delta) == 1 and isinstance(reply, wire.Delta):
                assert ollama.kill_runner() == 1
    assert broken.value.code == "backend_error"
    assert broken.value.detail["partial"] is True
    assert "unexpected EOF" in broken.value.message
    assert wire.Done not in kinds
    assert kinds.count(wire.Started) == 1
    # Ollama goes on listing the dead runner's model: whoever comes next must not be lost on it.
    assert daemon.ask("big").done.model == "big:latest"
    assert daemon.ask("mid").done.model == "mid:latest"


def test_a_broken_file_falls_back_at_once_and_cools(ollama, daemon):
    said = daemon.ask("broken", fallbacks=["mid"])
    assert said.done.model == "mid:latest"
    failed, answered = said.done.attempts
    assert (answered.model, answered.outcome) == ("mid:latest", "answered")
    assert (failed.model, failed.outcome) == ("broken:latest", "passed_over")
    # Ollama names the tensor if it reads its runner's last words in time, else it blames "resource limitations".
    words = {"load_failed": "tensor", "out_of_memory": "may be due to resource limitations"}
    assert words[failed.code] in (failed.message or "")
    loads = daemon.status().counters.loads
    with pytest.raises((LoadFailed, OutOfMemory)) as cooling:
        daemon.ask("broken")
    assert "not tried again for" in cooling.value.message
    assert daemon.status().counters.loads == loads
    assert ollama.loaded() == {"mid"}


def test_an_ollama_that_goes_away_and_comes_back_is_found_again(ollama, daemon):
    daemon.ask("mid")
    before = daemon.status()
    assert before.backend.reachable
    ollama.stop()
    began = time.monotonic()
    with pytest.raises(BackendUnreachable) as away:
        daemon.ask("mid")
    assert time.monotonic() - began < 5
    assert "ollama serve" in away.value.message
    assert not daemon.status().backend.reachable
    ollama.start()
    assert daemon.ask("mid").done.model == "mid:latest"
    after = daemon.until(lambda status: status.backend.reachable)
    assert (after.pid, after.counters.fallbacks, after.counters.foreign_loads) == (before.pid, 0, 0)
    assert list(daemon.resident()) == ["mid"]


def test_an_ollama_that_dies_in_mid_answer_ends_the_answer_honestly(ollama, daemon):
    with daemon.client() as client, pytest.raises(InnkeepError) as broken:
        for number, _ in enumerate(client.chat("tell me all", model="mid", options=options(1000))):
            if number == 0:
                ollama.kill()
    assert broken.value.detail["partial"] is True
    ollama.start()
    assert daemon.ask("mid").done.model == "mid:latest"


def test_a_daemon_that_is_there_before_its_ollama_serves_once_it_comes(ollama, start_daemon):
    ollama.stop()
    daemon = start_daemon()
    with pytest.raises(BackendUnreachable):
        daemon.ask("mid")
    ollama.start()
    assert daemon.ask("mid").done.model == "mid:latest"
