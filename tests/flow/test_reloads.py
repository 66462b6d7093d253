"""What Ollama does without a word is noticed: a reload, a context shifted under an answer."""

import json
from pathlib import Path

import pytest

from innkeepd.simulator.answer import json_answer
from support.daemon import LLAMA8
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio

DATA = Path(__file__).parents[1] / "data" / "ollama-0.33"


def answers(server, name, **changed):
    """Answer chats with a recording."""
    handle = server.daemon.simulator.handle
    record = json.loads(json.loads((DATA / f"{name}.json").read_text())["response"]["lines"][-1][1]) | changed

    async def replayed(method, path, body=None):
        if path == "/api/chat" and json.loads(body).get("messages"):
            return json_answer(record)
        return await handle(method, path, body)

    server.daemon.simulator.handle = replayed


def reported(server):
    events = []
    server.daemon.control.on_event.append(lambda kind, what, data: events.append((kind, what, data)))
    return events


@pytest.mark.parametrize("name", ["chat_hidden_reload_by_shift", "chat_hidden_reload_by_num_ctx"])
async def test_a_reload_of_a_model_that_stood_there_is_counted_and_named_once(name):
    async with open_http_daemon() as server:
        events = reported(server)
        answers(server, name)
        for _ in range(2):
            assert (await server.chat(stream=False).end()).status == 200
        record = server.daemon.records[-1]
        assert "reloaded" in record["warnings"][0]
        (data,) = [data for kind, _, data in events if kind == "log"]
        assert (data["model"], data["door"]) == (LLAMA8, "/api/chat")
        status = await server.daemon.connect().status()
        assert (status.counters.reloads, status.counters.loads) == (2, 1)


async def test_an_answer_without_a_reload_warns_of_nothing():
    async with open_http_daemon() as server:
        answers(server, "chat_nostream")
        await server.chat(stream=False).end()
        assert server.daemon.records[-1]["warnings"] == []
        assert (await server.daemon.connect().status()).counters.reloads == 0


async def test_a_load_that_a_request_waits_for_is_no_reload():
    async with open_http_daemon() as server:
        await server.chat(stream=False).end()
        await server.http.post(
            "/v1/chat/completions", {"model": LLAMA8, "messages": [{"role": "user", "content": "x"}]}
        )
        await server.daemon.connect().chat_to_end("hello", model=LLAMA8)
        assert (await server.daemon.connect().status()).counters.reloads == 0


async def test_an_answer_that_was_shifted_is_told_in_its_record_and_named_once():
    async with open_http_daemon() as server:
        events = reported(server)
        answers(server, "chat_runs_past_context_noshift")
        for _ in range(2):
            await server.chat(stream=False).end()
        assert "prompt and answer have 5141 tokens, the context 4096" in server.daemon.records[-1]["warnings"][0]
        assert len([data for kind, _, data in events if kind == "log"]) == 1
