"""An answer that broke is never told as whole: Ollama 0.33 answers 200 where llama-server failed in mid-answer."""

import json
from pathlib import Path

import pytest

from innkeepd.simulator.answer import json_answer
from support.daemon import LLAMA8, QWEN
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio

DATA = Path(__file__).parents[1] / "data" / "ollama-0.33"
DOORS = {
    "/api/chat": ("chat", {"messages": [{"role": "user", "content": "debug this function"}]}),
    "/api/generate": ("generate", {"prompt": "debug this function"}),
    "/v1/chat/completions": ("v1_chat", {"messages": [{"role": "user", "content": "debug this function"}]}),
    "/v1/completions": ("v1_completions", {"prompt": "debug this function"}),
    "/v1/responses": ("v1_responses", {"input": "debug this function"}),
    "/v1/messages": ("v1_messages", {"messages": [{"role": "user", "content": "debug this function"}]}),
}


def breaks(server, door, models):
    """Answer requests for these models at this door with what 0.33 was recorded to answer where it broke."""
    handle = server.daemon.simulator.handle
    said = json.loads((DATA / f"{DOORS[door][0]}_runner_error_lost_nostream.json").read_text())
    broken = json.loads(said["response"]["lines"][0][1])
    assert said["response"]["status"] == 200

    async def lossy(method, path, body=None):
        asked = json.loads(body) if body else {}
        has_prompt = any(asked.get(key) for key in ("messages", "prompt", "input"))
        bare = [model.replace(":", "-") for model in models]
        if path == door and has_prompt and any(each in asked["model"].replace(":", "-") for each in bare):
            return json_answer(broken)
        return await handle(method, path, body)

    server.daemon.simulator.handle = lossy


@pytest.mark.parametrize("door", DOORS)
async def test_it_falls_back_where_nothing_was_told(door):
    async with open_http_daemon() as server:
        breaks(server, door, [QWEN])
        answer = await server.http.post(door, {"model": "coding", "stream": False, **DOORS[door][1]})
        assert answer.status == 200
        assert answer.headers["x-innkeep-model"] != QWEN
        first, *_, last = server.daemon.records[-1]["attempts"]
        assert (first["model"], first["code"], last["code"]) == (QWEN, "backend_error", None)


@pytest.mark.parametrize("door", DOORS)
async def test_it_is_an_honest_error_where_no_other_model_may_answer(door):
    async with open_http_daemon() as server:
        breaks(server, door, [LLAMA8])
        answer = await server.http.post(door, {"model": LLAMA8, "stream": False, **DOORS[door][1]})
        assert answer.status == 500
        assert "broke off" in answer.body.decode()
        assert server.daemon.records[-1]["outcome"] == "failed"
