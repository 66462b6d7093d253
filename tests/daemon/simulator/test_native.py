import pytest

pytestmark = pytest.mark.anyio


async def test_generate_streams_responses_and_ends_with_a_context(ask):
    got = await ask("POST", "/api/generate", {"model": "llama3.1:8b", "prompt": "hi", "options": {"num_predict": 4}})
    assert [line["done"] for line in got.lines] == [False] * 4 + [True]
    assert "".join(line["response"] for line in got.lines).startswith("(A")
    assert got.lines[-1]["context"] == list(b"\nhi")


async def test_generate_tells_thinking_beside_the_response(ask):
    body = {"model": "deepseek-r1:32b", "prompt": "hi", "stream": False}
    answer = (await ask("POST", "/api/generate", body)).json
    assert answer["thinking"].startswith("Simulated thinking")
    assert answer["response"].startswith("(A simulated answer")


async def test_a_chat_without_messages_loads_and_says_so(ask):
    got = await ask("POST", "/api/chat", {"model": "llama3.1:8b", "messages": []})
    assert got.json["done_reason"] == "load"
    assert got.json["message"] == {"role": "assistant", "content": ""}


async def test_logprobs_come_with_each_piece(ask):
    body = {"model": "llama3.1:8b", "prompt": "hi", "logprobs": True, "options": {"num_predict": 1}}
    line, last = (await ask("POST", "/api/generate", body)).lines
    assert line["logprobs"] == [{"token": "(", "logprob": -0.25, "bytes": [40]}]
    assert "logprobs" not in last
