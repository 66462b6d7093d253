import json

import pytest

pytestmark = pytest.mark.anyio


async def test_blocks_of_thinking_and_text_are_streamed_in_order(ask):
    body = {
        "model": "deepseek-r1:32b",
        "max_tokens": 500,
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
    }
    got = await ask("POST", "/v1/messages", body)
    events = [json.loads(line[6:]) for line in got.text.splitlines() if line.startswith("data: ")]
    outline = [event["type"] for event in events if event["type"] != "content_block_delta"]
    block = ["content_block_start", "content_block_stop"]
    assert outline == ["message_start", *block, *block, "message_delta", "message_stop"]
    starts = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert starts == ["thinking", "text"]
    assert events[-2]["delta"]["stop_reason"] == "end_turn"


async def test_system_and_tools_are_understood(ask):
    body = {
        "model": "llama3.1:8b", "max_tokens": 3, "system": "be short", "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "weather", "input_schema": {}}],
    }  # fmt: skip
    answer = (await ask("POST", "/v1/messages", body)).json
    assert answer["stop_reason"] == "max_tokens"
    assert answer["content"][0]["text"].startswith("(A")
