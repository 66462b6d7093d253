import json

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from innkeepd.server.http.context_check import as_native
from innkeepd.server.http.request import ENDPOINTS, read

TOOL = {"type": "object", "properties": {}}


def native(path, **body):
    return as_native(read(ENDPOINTS[path], json.dumps({"model": "big", **body}).encode()))


def test_a_chat_is_read_as_ollama_reads_it():
    path, body = native(
        "/v1/chat/completions",
        messages=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
        ],
        tools=[{"type": "function", "function": {"name": "f", "parameters": TOOL}}, "odd", {"type": "web_search"}],
        reasoning_effort="none",
    )
    assert path == "/api/chat"
    assert body["messages"][:2] == [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]
    assert body["messages"][2]["tool_calls"] == [{"function": {"name": "f", "arguments": {}}}]
    assert body["tools"] == [{"type": "function", "function": {"name": "f", "parameters": TOOL}}]
    assert body["think"] is False


def test_responses_and_messages_are_chats_too():
    _, responses = native(
        "/v1/responses",
        instructions="s",
        input=[{"role": "user", "content": "a"}, {"type": "function_call_output", "output": "b"}],
        tools=[{"type": "function", "name": "f", "parameters": TOOL}],
    )
    assert [message["role"] for message in responses["messages"]] == ["system", "user", "tool"]
    assert responses["tools"][0]["function"]["name"] == "f"
    _, text = native("/v1/responses", input="a")
    assert text == {"messages": [{"role": "user", "content": "a"}]}
    _, messages = native(
        "/v1/messages",
        system=[{"type": "text", "text": "s"}],
        messages=[{"role": "user", "content": "a"}],
        tools=[{"name": "f", "input_schema": TOOL}],
    )
    assert messages["messages"][0] == {"role": "system", "content": "s"}
    assert messages["tools"][0]["function"]["parameters"] == TOOL


def test_a_completion_is_generated_and_embeddings_embed():
    assert native("/v1/completions", prompt="a", suffix="b") == ("/api/generate", {"prompt": "a", "suffix": "b"})
    assert native("/v1/embeddings", input=["a"]) == ("/api/embed", {"input": ["a"]})


FIELDS = (
    "messages", "tools", "input", "prompt", "system", "instructions", "role", "content", "type", "text", "function",
    "name", "images", "tool_calls", "options", "think", "stream", "suffix", "output", "arguments",
)  # fmt: skip
PLAIN = st.sampled_from([None, True, 0, -1, 2**64 - 1, 1.5, "", "a"])
ODD = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=2),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(ENDPOINTS)), st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=3))
@example("/v1/chat/completions", {"messages": 1})
@example("/v1/chat/completions", {"tools": 1})
@example("/v1/responses", {"input": 1})
@example("/v1/messages", {"messages": [{"content": [{"type": []}]}]})
def test_no_body_of_odd_types_is_a_fault_of_ours(path, body):
    asked = read(ENDPOINTS[path], json.dumps({**body, "model": "big"}).encode())
    as_native(asked)
    assert asked.spec({}).model == "big"
    assert isinstance(asked.is_promptless, bool)
