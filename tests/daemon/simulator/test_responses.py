import json

import pytest

pytestmark = pytest.mark.anyio


async def test_typed_events_come_in_order_and_the_last_one_has_the_whole(ask):
    body = {"model": "llama3.1:8b", "input": "hi", "stream": True, "instructions": "be short"}
    got = await ask("POST", "/v1/responses", body)
    events = [json.loads(line[6:]) for line in got.text.splitlines() if line.startswith("data: ")]
    kinds = [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert kinds[:4] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    ]  # fmt: skip
    assert kinds[-4:] == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
    ]  # fmt: skip
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == text
    assert got.text.count("event: ") == len(events)


async def test_a_list_of_messages_is_taken_too(ask):
    given = [{"role": "user", "content": [{"type": "input_text", "text": "왜?"}]}]
    got = await ask("POST", "/v1/responses", {"model": "llama3.1:8b", "input": given})
    assert "시뮬레이션" in got.json["output"][0]["content"][0]["text"]


TOOL = {"type": "function", "name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}  # fmt: skip


async def test_a_tool_is_called_in_an_item_of_its_own(ask):
    body = {"model": "llama3.1:8b", "input": "use weather", "tools": [TOOL]}
    [item] = (await ask("POST", "/v1/responses", body)).json["output"]
    assert (item["type"], item["name"], item["arguments"]) == ("function_call", "weather", '{"city": "simulated"}')
    streamed = (await ask("POST", "/v1/responses", body | {"stream": True})).text
    assert "event: response.function_call_arguments.done" in streamed
    assert "response.output_text.delta" not in streamed


async def test_a_calls_output_is_read_and_no_tool_is_called_again(ask):
    said = [
        {"role": "user", "content": "use weather"},
        {"type": "function_call", "call_id": "1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "sunny"},
    ]
    reported = (await ask("POST", "/v1/responses", {"model": "llama3.1:8b", "input": said, "tools": [TOOL]})).json
    assert [item["type"] for item in reported["output"]] == ["message"]


async def test_text_format_is_kept(ask):
    form = {"type": "json_schema", "name": "x", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    reported = (
        await ask("POST", "/v1/responses", {"model": "llama3.1:8b", "input": "hi", "text": {"format": form}})
    ).json
    assert reported["output"][0]["content"][0]["text"] == '{"n": 0}'
    assert reported["text"] == {"format": form}
