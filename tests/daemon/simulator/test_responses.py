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
