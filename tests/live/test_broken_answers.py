"""An answer that broke is never told as whole: Ollama drops errors of its runner and answers 200, ``done: false``."""

import json
import threading

import pytest

from innkeep.errors import InnkeepError
from support.live import options

REPEATED = {"type": "string", "pattern": "^a{400}$"}
"""Ollama breaks off after 30 equal pieces in a row, on both versions, without an error."""
HELLO = [{"role": "user", "content": "hi"}]
SAMPLED = {"temperature": 1, "seed": 1, "top_k": 20, "num_predict": 200}
BROKEN = {
    "/api/chat": {"messages": HELLO, "format": REPEATED, "options": SAMPLED},
    "/api/generate": {"prompt": "hi", "format": REPEATED, "options": SAMPLED},
    "/v1/chat/completions": {
        "messages": HELLO,
        "max_tokens": 200,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": REPEATED}},
    },
}


def _no_utf8(seed: int) -> dict[str, object]:
    """A chat whose sampled bytes are no UTF-8 with some seeds; llama-server's error for it is dropped by Ollama."""
    return {
        "model": "tools",
        "messages": [{"role": "user", "content": f"{seed}" + "x" * 41}],
        "options": {"seed": seed, "temperature": 0.8, "num_predict": 44},
    }


@pytest.mark.parametrize("path", BROKEN)
def test_in_one_piece_it_is_an_error(ollama, start_daemon, path):
    daemon = start_daemon(http=True)
    answer = daemon.post(path, {"model": "mid", "stream": False, **BROKEN[path]})
    assert answer.status >= 500, answer
    assert b"broke off" in answer.data


@pytest.mark.parametrize("path", BROKEN)
def test_streamed_it_ends_with_an_error(ollama, start_daemon, path):
    daemon = start_daemon(http=True)
    answer = daemon.post(path, {"model": "mid", "stream": True, **BROKEN[path]})
    last = answer.data.strip().splitlines()[-1].removeprefix(b"data: ")
    assert "error" in json.loads(last), answer.data[-300:]
    assert b"[DONE]" not in answer.data
    assert b'"done":true' not in answer.data


@pytest.mark.since_0_30("its bytes are those of llama-server's sampling")
def test_what_is_no_utf8_is_an_error_in_one_piece_and_on_the_socket(ollama, start_daemon):
    """Which seed breaks depends on the build, so one is looked for by asking Ollama itself."""
    broken = (_no_utf8(seed) for seed in range(60))
    body = next(
        (each for each in broken if not ollama.ask("POST", "/api/chat", {**each, "stream": False}).body["done"]), None
    )
    if body is None:
        pytest.skip("no seed of 60 breaks with this build of llama-server")
    daemon = start_daemon(http=True)
    answer = daemon.post("/api/chat", {**body, "stream": False})
    assert answer.status >= 500, answer
    with daemon.client() as client, pytest.raises(InnkeepError) as error:
        client.chat(body["messages"], model="tools", options=body["options"]).read()
    assert error.value.code == "backend_error"


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_in_one_piece_it_falls_back_where_the_runner_was_killed(ollama, start_daemon, path):
    daemon = start_daemon(http=True)
    daemon.ask("mid")  # the fallback stands beside it already
    daemon.ask("big")
    # A role's name has fallbacks: nothing was told yet when big's runner dies, so mid may answer.
    body = {"model": "coding", "messages": HELLO, "stream": False, "options": options(100), "max_tokens": 100}
    found: list[object] = []
    asked = threading.Thread(target=lambda: found.append(daemon.post(path, body)))
    asked.start()
    daemon.until(lambda status: any(each.name == "big:latest" and each.leases for each in status.resident))
    biggest = max(ollama.runners(), key=lambda runner: runner.memory_info().rss)
    biggest.kill()
    asked.join(120)
    (answer,) = found
    assert answer.status in {200, 502}, answer
    if answer.status == 200:
        assert answer.json().get("done", True) is True
