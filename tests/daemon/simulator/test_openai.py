import json

import pytest

pytestmark = pytest.mark.anyio


def chat(**more):
    return (
        "POST",
        "/v1/chat/completions",
        {"model": "llama3.1:8b", "messages": [{"role": "user", "content": "hi"}], **more},
    )


async def test_a_stream_ends_with_a_reason_and_done_and_usage_only_if_asked(ask):
    plain = (await ask(*chat(stream=True))).events
    assert plain[-1] == "[DONE]"
    assert plain[-2]["choices"][0]["finish_reason"] == "stop"
    with_usage = (await ask(*chat(stream=True, stream_options={"include_usage": True}))).events
    assert with_usage[-2]["choices"] == []
    assert with_usage[-2]["usage"]["total_tokens"] > 0
    assert len({each["id"] for each in plain[:-1]}) == 1


async def test_thinking_is_told_as_reasoning(ask):
    message = {"role": "user", "content": "hi"}
    got = await ask("POST", "/v1/chat/completions", {"model": "deepseek-r1:32b", "messages": [message]})
    assert got.json["choices"][0]["message"]["reasoning"].startswith("Simulated thinking")


async def test_tool_arguments_are_text_and_the_reason_says_tool_calls(ask):
    tools = [{"type": "function", "function": {"name": "hi", "parameters": {}}}]
    choice = (await ask(*chat(tools=tools))).json["choices"][0]
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {}
    assert choice["finish_reason"] == "tool_calls"
    streamed = (await ask(*chat(tools=tools, stream=True))).events
    assert streamed[-2]["choices"][0]["finish_reason"] == "tool_calls"


async def test_plain_completions_have_text(ask):
    got = await ask("POST", "/v1/completions", {"model": "llama3.1:8b", "prompt": "hi", "max_tokens": 2})
    assert got.json["object"] == "text_completion"
    assert got.json["choices"] == [{"index": 0, "text": "(A", "finish_reason": "length"}]


async def test_errors_are_wrapped(ask):
    got = await ask("POST", "/v1/chat/completions", {"messages": []})
    assert got.status == 400
    assert got.json["error"] == {"message": "model is required", "type": "api_error", "param": None, "code": None}
