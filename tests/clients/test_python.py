"""PyPI's ``ollama`` and ``openai``, unmodified."""

import base64
import json
import struct

import pytest

ollama = pytest.importorskip("ollama")
openai = pytest.importorskip("openai")

HELLO = [{"role": "user", "content": "hello there"}]
SCHEMA = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def native(served):
    client = ollama.Client(host=served.url, timeout=60)
    yield client
    client._client.close()


@pytest.fixture
def v1(served):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="anything", max_retries=0, timeout=60) as client:
        yield client


# ---- ollama --------------------------------------------------------------------------------------------------------


def test_ollama_lists_shows_and_tells_what_runs(served, native):
    names = [model.model for model in native.list().models]
    assert {"auto", "coding", "reasoning", "general"} <= set(names)
    assert not [name for name in names if name.startswith("innkeep-ctx/")]
    assert len({model.digest for model in native.list().models}) == len(names)
    assert "completion" in native.show("auto").capabilities
    assert native.show(served.chats).modelinfo["general.architecture"]
    native.generate(served.chats)
    assert [model.model.removesuffix(":latest") for model in native.ps().models if model.model.startswith(served.chats)]


def test_ollama_chats_whole_and_streamed(served, native):
    whole = native.chat(served.chats, HELLO, options={"seed": 1})
    pieces = [part.message.content for part in native.chat(served.chats, HELLO, stream=True, options={"seed": 1})]
    assert whole.message.content
    assert "".join(pieces) == whole.message.content
    assert len(pieces) > 5
    assert whole.model == served.chats


def test_ollama_generates(served, native):
    assert native.generate(served.chats, "hello there").response
    assert list(native.generate(served.chats, "hello there", stream=True))[-1].done


def test_ollama_asks_auto(native):
    answer = native.chat("auto", HELLO)
    assert answer.model == "auto"
    assert answer.message.content


def test_ollama_uses_tools(served, native):
    answer = native.chat(served.calls, [{"role": "user", "content": "weather in Seoul? use the tool"}], tools=[TOOL])
    assert answer.done
    if served.ollama is None:
        assert answer.message.tool_calls[0].function.name == "weather"


def test_ollama_thinks(served, native):
    answer = native.chat(served.thinks, HELLO, think=True)
    assert answer.done
    if served.ollama is None:
        assert answer.message.thinking


def test_ollama_shapes_its_answer(served, native):
    answer = native.chat(served.chats, HELLO, format=SCHEMA, options={"num_predict": 200, "seed": 3})
    assert answer.message.content.lstrip().startswith("{")


def test_ollama_is_told_that_a_model_cannot_see_before_anything_is_loaded(served, native):
    """Ollama 0.17.4 answers 200 and drops the picture."""
    with pytest.raises(ollama.ResponseError, match="does not support vision") as refused:
        native.chat(served.chats, [{"role": "user", "content": "what is this?", "images": [PIXEL]}])
    assert refused.value.status_code == 400


def test_ollama_embeds(served, native):
    assert len(native.embed(served.embeds, ["a", "b"]).embeddings) == 2
    assert native.embeddings(served.embeds, "a").embedding


def test_ollama_loads_and_unloads(served, native):
    assert native.generate(served.chats, keep_alive="5m").done_reason == "load"
    assert native.generate(served.chats, keep_alive=0).done_reason == "unload"
    assert not [model for model in native.ps().models if model.model.startswith(f"{served.chats}:")]


def test_ollama_is_told_of_an_unknown_model(native):
    with pytest.raises(ollama.ResponseError) as reported:
        native.chat("nope", HELLO)
    assert reported.value.status_code == 404
    assert reported.value.error == "model 'nope' not found"


def test_ollama_leaves_in_mid_answer(served, native):
    asked = [{"role": "user", "content": served.endless}]
    parts = native.chat(served.chats, asked, stream=True, options={"num_predict": served.many})
    assert next(parts).message.content
    assert served.leases() == 1
    parts.close()
    assert served.wait_until_free() < 1


# ---- openai --------------------------------------------------------------------------------------------------------


def test_openai_lists_models(served, v1):
    names = [model.id for model in v1.models.list()]
    assert {"auto", "coding", "reasoning", "general"} <= set(names)
    assert v1.models.retrieve(served.chats).id == served.chats
    assert v1.models.retrieve("auto").owned_by == "innkeep"


def test_openai_chats_whole_and_streamed(served, v1):
    more = {"model": served.chats, "messages": HELLO, "max_tokens": 12, "seed": 1}
    whole = v1.chat.completions.create(**more)
    assert whole.model == served.chats
    assert whole.usage.completion_tokens == 12
    pieces = v1.chat.completions.create(**more, stream=True, stream_options={"include_usage": True})
    chunks = list(pieces)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == 12
    assert {chunk.model for chunk in chunks} == {served.chats}


def test_openai_asks_auto(v1):
    # Bounded: 0.33.0 ended 1 of 7 answers of 3,500 tokens of random weights without a last record, each after 30 s.
    assert v1.chat.completions.create(model="auto", messages=HELLO, max_tokens=20).model == "auto"


def test_openai_uses_tools_and_parts_of_content(served, v1):
    content = [{"type": "text", "text": "weather in Seoul? use the tool"}]
    answer = v1.chat.completions.create(
        model=served.calls, messages=[{"role": "user", "content": content}], tools=[TOOL], tool_choice="auto"
    )
    assert answer.choices[0].finish_reason
    if served.ollama is None:
        assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments)


def test_openai_shapes_its_answer(served, v1):
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    answer = v1.chat.completions.create(model=served.chats, messages=HELLO, response_format=shape, max_tokens=200)
    assert answer.choices[0].message.content.lstrip().startswith("{")


def test_openai_completes(served, v1):
    assert v1.completions.create(model=served.chats, prompt="hello there").choices[0].text


def test_openai_embeds_as_base64(served, v1):
    reported = v1.embeddings.with_raw_response.create(model=served.embeds, input="a", encoding_format="base64")
    raw = json.loads(reported.text)["data"][0]["embedding"]
    floats = v1.embeddings.create(model=served.embeds, input="a").data[0].embedding
    data = base64.b64decode(raw)
    assert struct.unpack(f"<{len(data) // 4}f", data) == pytest.approx(floats)


def test_openai_reads_responses(served, v1):
    whole = v1.responses.create(model=served.chats, input="hello there")
    assert whole.status == "completed"
    assert whole.output_text
    events = [event.type for event in v1.responses.create(model=served.chats, input="hello there", stream=True)]
    assert events[0] == "response.created"
    assert events[-1] == "response.completed"


def test_openai_is_told_of_an_unknown_model(v1):
    with pytest.raises(openai.NotFoundError) as reported:
        v1.chat.completions.create(model="nope", messages=HELLO)
    assert reported.value.code == "unknown_model"


def test_openai_is_told_that_a_prompt_is_too_long(served, v1):
    with pytest.raises(openai.BadRequestError) as reported:
        v1.chat.completions.create(model=served.chats, messages=[{"role": "user", "content": "hello world " * 60_000}])
    assert reported.value.code == "context_length_exceeded"


def test_openai_leaves_in_mid_answer(served, v1):
    asked = [{"role": "user", "content": served.endless}]
    with v1.chat.completions.create(model=served.chats, messages=asked, stream=True, max_tokens=served.many) as parts:
        next(iter(parts))
        assert served.leases() == 1
    assert served.wait_until_free() < 1
