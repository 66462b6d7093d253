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


TOOL = {"name": "weather", "description": "what it is like", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}  # fmt: skip


async def test_a_tool_is_called_in_a_block_of_its_own(ask):
    body = {"model": "llama3.1:8b", "messages": [{"role": "user", "content": "use weather"}], "tools": [TOOL]}
    whole = (await ask("POST", "/v1/messages", body)).json
    [block] = whole["content"]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "weather", {"city": "simulated"})
    assert whole["stop_reason"] == "tool_use"
    streamed = (await ask("POST", "/v1/messages", body | {"stream": True})).text
    assert '"partial_json":"{\\"city\\": \\"simulated\\"}"' in streamed
    assert '"stop_reason":"tool_use"' in streamed


async def test_a_tools_result_is_read_and_no_tool_is_called_again(ask):
    said = [
        {"role": "user", "content": "use weather"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "weather", "input": {"city": "x"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "sunny " * 100}]},
    ]
    reported = (await ask("POST", "/v1/messages", {"model": "llama3.1:8b", "messages": said, "tools": [TOOL]})).json
    assert reported["stop_reason"] == "end_turn"
    assert reported["usage"]["input_tokens"] > 150


async def test_tools_count_in_the_prompt(ask):
    body = {"model": "llama3.1:8b", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    tools = [TOOL | {"name": f"tool{number}", "description": "word " * 400} for number in range(20)]
    few = (await ask("POST", "/v1/messages", body)).json["usage"]["input_tokens"]
    many = (await ask("POST", "/v1/messages", body | {"tools": tools})).json["usage"]["input_tokens"]
    assert few < 10
    assert many > 10_000
