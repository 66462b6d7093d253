import pytest

from innkeepd.backends.backend import Ask
from innkeepd.backends.openai_request import chat_body, messages_of, options_of, response_format

PNG = "iVBORw0KGgo="


def body(**changed):
    fields = {"model": "llama3.3", "messages": [{"role": "user", "content": "hi"}], "context": 8192, "keep_alive": 60.0}
    return chat_body(Ask(**fields | changed))


def test_a_plain_chat_is_streamed_with_its_token_counts_and_nothing_of_ours():
    assert body() == {
        "model": "llama3.3",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_options_that_the_api_knows_are_kept_and_the_others_left_out():
    options = {
        "temperature": 0,
        "top_p": 0.5,
        "seed": 7,
        "stop": ["\n"],
        "presence_penalty": 0.1,
        "frequency_penalty": None,
        "num_predict": 40,
        "num_ctx": 4096,
        "top_k": 20,
        "repeat_penalty": 1.1,
    }
    kept = {"temperature": 0, "top_p": 0.5, "seed": 7, "stop": ["\n"], "presence_penalty": 0.1, "max_tokens": 40}
    assert options_of(options) == kept
    assert body(options=options) == body() | kept


@pytest.mark.parametrize("limit", [-1, -2, 0, "many"])
def test_no_limit_is_no_word(limit):
    assert options_of({"num_predict": limit}) == {}


def test_formats_are_json_or_a_schema():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert response_format("json") == {"type": "json_object"}
    assert response_format(schema) == {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    assert body(extra={"format": "json"}) == body() | {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("think", "sent"), [("high", {"reasoning_effort": "high"}), (True, {}), (False, {}), (None, {})]
)
def test_only_a_level_of_thinking_has_a_word(think, sent):
    assert body(extra={"think": think}) == body() | sent


def test_tools_are_passed_on_as_they_are():
    tools = [{"type": "function", "function": {"name": "time", "parameters": {}}}]
    assert body(extra={"tools": tools, "surprise": 1}) == body() | {"tools": tools}


@pytest.mark.parametrize(
    ("image", "kind"), [(PNG, "png"), ("/9j/4A", "jpeg"), ("R0lGODlh", "gif"), ("UklGRg", "webp"), ("AAAA", "jpeg")]
)
def test_images_are_data_urls_inside_the_content(image, kind):
    (message,) = messages_of([{"role": "user", "content": "what is it?", "images": [image]}])
    assert message["content"] == [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{image}"}},
    ]


def test_an_image_without_words_and_one_that_is_an_url_already():
    url = f"data:image/png;base64,{PNG}"
    (message,) = messages_of([{"role": "user", "images": [url]}])
    assert message["content"] == [{"type": "image_url", "image_url": {"url": url}}]


def test_tool_calls_get_ids_and_their_answers_find_them():
    calls = [
        {"function": {"name": "time", "arguments": {"zone": "Asia/Seoul"}}},
        {"function": {"name": "weather", "arguments": '{"city":"서울"}'}},
        {"id": "mine", "function": {"name": "weather"}},
    ]
    asked, weather, mine, rest, stray = messages_of(
        [
            {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": calls},
            {"role": "tool", "content": "sunny", "tool_name": "weather"},
            {"role": "tool", "content": "rainy", "tool_name": "weather", "tool_call_id": "mine"},
            {"role": "tool", "content": "12:00"},
            {"role": "tool", "content": "?"},
        ]
    )
    assert [call["function"]["arguments"] for call in asked["tool_calls"]] == [
        '{"zone":"Asia/Seoul"}',
        '{"city":"서울"}',
        "{}",
    ]
    assert [call["id"] for call in asked["tool_calls"]] == ["call_0_0", "call_0_1", "mine"]
    assert "thinking" not in asked
    assert weather == {"role": "tool", "content": "sunny", "tool_call_id": "call_0_1"}
    assert [each["tool_call_id"] for each in (mine, rest, stray)] == ["mine", "call_0_0", "call_unknown"]
