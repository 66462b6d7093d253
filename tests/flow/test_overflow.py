"""Nothing is cut or shifted silently: every line of the table in ``docs/http.md``, in both dialects."""

import json
import re

import pytest
from msgspec.structs import replace as altered

from innkeepd.simulator import answering
from innkeepd.simulator.catalog import LLAMA8 as LLAMA8_PULLED
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import RELEASES
from support.daemon import LLAMA8
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio

CONTEXT = 4096
LONG = "tell me more [simulate tokens 6000]"
PROMPT = {"/api/generate": "prompt", "/v1/completions": "prompt", "/v1/responses": "input"}
LIMIT = {"/v1/responses": "max_output_tokens"}
DOORS = ["/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"]


@pytest.fixture(params=sorted(RELEASES))
def release(request):
    return RELEASES[request.param]


def body(path, text, limit=None):
    said = {PROMPT[path]: text} if path in PROMPT else {"messages": [{"role": "user", "content": text}]}
    if path.startswith("/api/"):
        return {"model": LLAMA8, "stream": False, **said, "options": {} if limit is None else {"num_predict": limit}}
    return {"model": LLAMA8, **said, **({} if limit is None else {LIMIT.get(path, "max_tokens"): limit})}


def tokens(server):
    record = server.daemon.records[-1]
    return record["prompt_tokens"], record["completion_tokens"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("limit", "words"), [(None, 0), (0, 500), (3800, 500)])
async def test_an_answer_ends_at_the_end_of_the_context(release, door, limit, words):
    async with open_http_daemon(simulator=Simulator(ollama=release, speed=50)) as server:
        answer = await server.http.post(door, body(door, "word " * words + LONG, limit))
        assert answer.status == 200, answer
        prompt, said = tokens(server)
        assert CONTEXT // 2 <= prompt + said <= CONTEXT
        assert len(server.daemon.simulator.loads) == 1


@pytest.mark.parametrize("door", DOORS)
async def test_a_smaller_limit_of_the_client_is_kept(release, door):
    async with open_http_daemon(simulator=Simulator(ollama=release, speed=50)) as server:
        await server.http.post(door, body(door, LONG, 40))
        assert tokens(server)[1] == 40


@pytest.mark.parametrize("words", [0, 500])
async def test_an_answer_over_the_socket_ends_at_the_end_of_the_context(release, words):
    async with open_http_daemon(simulator=Simulator(ollama=release, speed=50)) as server:
        done = await server.daemon.connect().chat_to_end("word " * words + LONG, model=LLAMA8)
        assert CONTEXT // 2 <= done.usage.prompt_tokens + done.usage.completion_tokens <= CONTEXT
        assert len(server.daemon.simulator.loads) == 1


@pytest.mark.parametrize("door", DOORS)
async def test_a_prompt_of_a_token_a_byte_is_served_whole_at_a_larger_context(monkeypatch, release, door):
    monkeypatch.setattr(answering, "count", len)
    async with open_http_daemon(simulator=Simulator(ollama=release, speed=50)) as server:
        answer = await server.http.post(door, body(door, "7 " * 3500 + "[simulate tokens 50]"))
        assert answer.status == 200, answer
        assert tokens(server)[0] > 7000
        assert server.daemon.simulator.loads[-1].context >= 8192


@pytest.mark.parametrize("door", DOORS)
async def test_the_count_of_a_prompt_near_the_end_of_the_context_is_exact(monkeypatch, release, door):
    monkeypatch.setattr(answering, "count", len)
    async with open_http_daemon(simulator=Simulator(ollama=release, speed=50)) as server:
        await server.http.post(door, body(door, "7 " * 1500 + LONG))
        prompt, said = tokens(server)
        assert CONTEXT - 20 <= prompt + said <= CONTEXT


async def test_no_body_leaves_innkeep_with_an_open_end_since_0_30():
    async with open_http_daemon(simulator=Simulator(ollama=RELEASES["0.33"], speed=50)) as server:
        for door in DOORS:
            await server.http.post(door, body(door, "hello", 0))
        sent = [seen for seen in server.daemon.simulator.requests if seen.path in DOORS and json.dumps(seen.body)]
        asked = [
            seen.body.get("max_tokens") or seen.body.get("max_output_tokens") or seen.body["options"]["num_predict"]
            for seen in sent
            if seen.path != "/api/generate" or seen.body.get("prompt")
        ]
        assert len(asked) == len(DOORS)
        assert all(0 < limit < CONTEXT for limit in asked)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("door", DOORS)
async def test_a_prompt_over_every_context_is_told_in_the_words_that_clients_know(release, door, stream):
    short = altered(LLAMA8_PULLED, max_context=CONTEXT)
    async with open_http_daemon(simulator=Simulator(ollama=release, models=[short], speed=50)) as server:
        answer = await server.http.post(door, body(door, "word " * 5000) | {"stream": stream})
        assert answer.status == 400
        if door.startswith("/api/"):
            assert "context" in answer.json["error"]
            return
        error = answer.json["error"]
        found = re.search(r"prompt is too long: (\d+) tokens > (\d+) maximum; this model's maximum", error["message"])
        tokens, maximum = map(int, found.groups())
        assert 6000 < tokens < 7000
        assert maximum == CONTEXT
        assert error.get("code", "context_length_exceeded") == "context_length_exceeded"
        assert server.daemon.records[-1]["code"] == "context_overflow"
