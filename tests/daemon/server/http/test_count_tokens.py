import json
from pathlib import Path

import pytest

from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parents[3] / "data/clients/claude_code/count_tokens.json"
PATH = "/v1/messages/count_tokens"


async def test_claude_codes_count_is_answered_without_a_model():
    request = json.loads(RECORDED.read_text())
    body = request["body"]
    async with open_http_daemon() as server:
        answer = await server.http.post(request["path"].partition("?")[0], body)
        assert answer.status == 200
        text = len(json.dumps(body["messages"]))
        assert text // 6 < answer.json["input_tokens"] < text // 3
        assert answer.json["is_estimate"] is True
        assert not server.daemon.simulator.loads
        assert not server.daemon.records


async def test_calls_thinking_and_tools_count():
    call = {"type": "tool_use", "id": "1", "name": "f", "input": {"path": "x" * 400}}
    thought = {"type": "thinking", "thinking": "y" * 400}
    tool = {"name": "f", "description": "z" * 400, "input_schema": {}}
    body = {"model": "claude", "messages": [{"role": "assistant", "content": [call, thought]}], "tools": [tool]}
    async with open_http_daemon() as server:
        assert 300 < (await server.http.post(PATH, body)).json["input_tokens"] < 400


@pytest.mark.parametrize("body", [{}, {"model": "m"}, {"model": "m", "messages": 1}, []])
async def test_a_bad_count_is_refused_in_anthropics_shape(body):
    async with open_http_daemon() as server:
        answer = await server.http.post(PATH, body)
        assert answer.status == 400
        assert answer.json["type"] == "error"
        assert answer.json["error"]["type"] == "invalid_request_error"


async def test_what_is_not_served_under_messages_is_refused_in_anthropics_shape():
    async with open_http_daemon() as server:
        answer = await server.http.post("/v1/messages/batches", {})
        assert answer.status == 404
        assert answer.json["error"]["type"] == "not_found_error"
