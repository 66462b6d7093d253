import pytest

from innkeepd.policy.prompt_layout import estimated_tokens, messages_prompt, openai_prompt, responses_prompt

SCHEMA = {"type": "object", "properties": {"z": {"enum": ["b", "a"]}, "a": {"type": "string"}}}
SORTED = {"properties": {"a": {"type": "string"}, "z": {"enum": ["b", "a"]}}, "type": "object"}
IMAGE = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}
URL = "data:image/png;base64,AAAA"
BOTH = pytest.mark.parametrize("newer", [False, True])


def text(said, kind="text"):
    return {"type": kind, "text": said}


def called(name="f", arguments=None, **more):
    return more | {"function": {"name": name, "arguments": arguments or {}}}


def laid(layout, body, *, newer=True):
    return layout(body, newer=newer)["messages"]


# ---- Anthropic -----------------------------------------------------------------------------------------------------


@BOTH
def test_blocks_of_anthropic_are_joined_with_nothing_between(newer):
    body = {
        "system": [text("a"), text("b"), {"type": "other", "text": "c"}],
        "messages": [{"role": "User", "content": [text("c"), IMAGE, text("d")]}, {"role": "system", "content": "e"}],
    }
    assert laid(messages_prompt, body, newer=newer) == [
        {"role": "system", "content": "ab"},
        {"role": "user", "content": "cd", "images": ["AAAA"]},
        {"role": "system", "content": "e"},
    ]


@BOTH
def test_a_call_of_anthropic_stays_a_call_and_the_last_thought_is_kept(newer):
    parts = [
        {"type": "thinking", "thinking": "x"},
        {"type": "thinking", "thinking": "y"},
        {"type": "tool_use", "id": "1", "name": "f", "input": {"z": 1}},
        {"type": "server_tool_use", "id": "2", "name": "g", "input": "odd"},
    ]
    calls = [called(id="1", arguments={"z": 1}), called("g", id="2")]
    expected = {"role": "assistant", "content": "", "tool_calls": calls, "thinking": "y"}
    assert laid(messages_prompt, {"messages": [{"role": "assistant", "content": parts}]}, newer=newer) == [expected]


def test_a_tools_result_stands_behind_the_text_and_since_0_30_before_it():
    result = {"type": "tool_result", "tool_use_id": "1", "content": [text("r"), text("s"), IMAGE]}
    body = {"messages": [{"role": "user", "content": [result, text("go on")]}]}
    said, answer = {"role": "user", "content": "go on"}, {"role": "tool", "content": "rs", "tool_call_id": "1"}
    assert laid(messages_prompt, body, newer=False) == [said, answer]
    assert laid(messages_prompt, body) == [answer | {"images": ["AAAA"]}, said]
    plain = {"messages": [{"role": "assistant", "content": [result | {"content": "r"}]}]}
    assert laid(messages_prompt, plain) == [answer | {"content": "r"}]


def test_an_empty_message_is_left_out_since_0_30():
    body = {"system": "", "messages": [{"role": "user", "content": ""}, {"role": "user", "content": []}]}
    assert laid(messages_prompt, body, newer=False) == [{"role": "user", "content": ""}]
    assert laid(messages_prompt, body) == []


def test_tools_of_anthropic_are_functions_and_its_web_search_takes_the_name():
    own = {"name": "web_search", "input_schema": SCHEMA}
    body = {"tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}, own, {"type": "web_search_20250305"}]}
    first, second = messages_prompt(body, newer=True)["tools"]
    assert first == {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
    assert second["function"]["parameters"]["required"] == ["query"]
    assert messages_prompt({"tools": [own]}, newer=True)["tools"][0]["function"]["parameters"] == SCHEMA
    assert "parameters" not in messages_prompt({"tools": [{"name": "f"}]}, newer=True)["tools"][0]["function"]


@pytest.mark.parametrize(
    ("said", "older", "newer"),
    [
        ({"thinking": {"type": "enabled"}}, True, True),
        ({"thinking": {"type": "disabled"}}, None, False),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": " XHigh "}}, None, "high"),
        ({"output_config": {"effort": "low"}}, None, "low"),
        ({"output_config": {"effort": "odd"}}, None, None),
        ({"thinking": 1, "output_config": 1}, None, None),
    ],
)
def test_the_wish_to_think_is_read_as_each_version_reads_it(said, older, newer):
    assert messages_prompt(said, newer=False).get("think") == older
    assert messages_prompt(said, newer=True).get("think") == newer
    assert "think" not in messages_prompt(said, newer=True, thinks=False)


# ---- OpenAI --------------------------------------------------------------------------------------------------------


@BOTH
def test_each_part_of_openai_is_a_message_of_its_own(newer):
    call = {"id": "1", "function": {"name": "f", "arguments": '{"z": 1}'}}
    body = {
        "messages": [
            {"role": "developer", "content": "a"},
            {"role": "user", "content": [text("b"), {"type": "image_url", "image_url": {"url": URL}}]},
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": URL}, {"type": "image_url", "image_url": 1}],
            },
            {"role": "assistant", "content": [text("c"), text("d")], "tool_calls": [call], "reasoning": "r"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "e"},
            {"role": "tool", "name": "g", "content": "e"},
            {"role": "tool", "content": "e"},
            {"role": "user", "content": []},
        ]
    }
    calls = [called(arguments={"z": 1})]
    assert laid(openai_prompt, body, newer=newer) == [
        {"role": "developer", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "user", "content": "", "images": ["AAAA"]},
        {"role": "user", "content": "", "images": ["AAAA"]},
        {"role": "user", "content": "", "images": [""]},
        {"role": "assistant", "content": "c"},
        {"role": "assistant", "content": "d", "thinking": "r", "tool_calls": calls},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "e", "tool_name": "f"},
        {"role": "tool", "content": "e", "tool_name": "g"},
        {"role": "tool", "content": "e"},
    ]


@pytest.mark.parametrize("given", ["{", "[1]", 5, "[" * 100_000])
def test_arguments_that_are_no_object_are_none(given):
    calls = [{"function": {"name": "f", "arguments": given}}, {"function": 1}]
    [message] = laid(openai_prompt, {"messages": [{"role": "assistant", "tool_calls": calls}]})
    assert message["tool_calls"] == [called(), called("")]


def test_tools_of_openai_go_on_as_they_came():
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": SCHEMA}}
    assert openai_prompt({"tools": [tool, "odd", {"type": "custom"}]}, newer=True)["tools"] == [tool]


@pytest.mark.parametrize(
    ("said", "older", "newer"),
    [
        ({"reasoning_effort": "none"}, False, False),
        ({"reasoning_effort": "high"}, "high", "high"),
        ({"reasoning": {"effort": "minimal"}, "reasoning_effort": "high"}, "minimal", "low"),
        ({"reasoning_effort": ""}, None, None),
        ({}, None, None),
    ],
)
def test_an_effort_is_a_wish_to_think(said, older, newer):
    assert openai_prompt(said, newer=False).get("think") == older
    assert openai_prompt(said, newer=True).get("think") == newer
    asked = said if "reasoning" in said else {"reasoning": {"effort": said.get("reasoning_effort")}}
    assert "think" not in responses_prompt(asked, newer=False)
    assert responses_prompt(asked, newer=True).get("think") == newer


# ---- responses -----------------------------------------------------------------------------------------------------


@BOTH
def test_instructions_and_a_string_are_messages(newer):
    body = {"instructions": "a", "input": "b"}
    expected = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    assert laid(responses_prompt, body, newer=newer) == expected


@BOTH
def test_calls_join_the_assistants_message_and_reasoning_waits_for_it(newer):
    body = {
        "input": [
            {"role": "developer", "content": "a"},
            {"type": "reasoning", "encrypted_content": "x"},
            {"role": "user", "content": [text("b", "input_text"), {"type": "input_image", "image_url": URL}]},
            {"role": "assistant", "content": [text("c", "output_text"), text("d", "output_text")]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": '{"z": 1}'},
            {"type": "function_call", "call_id": "2", "name": "g", "arguments": ""},
            {"type": "function_call_output", "call_id": "1", "output": "e"},
            {"type": "web_search_call"},
            {"type": "function_call_output", "call_id": "2", "output": [text("f", "input_text")]},
            {"type": "reasoning", "encrypted_content": "y"},
            {"type": "function_call", "call_id": "3", "name": "f"},
            {"type": "reasoning", "encrypted_content": "z"},
        ]
    }
    calls = [called(id="1", arguments={"z": 1}), called("g", id="2")]
    assert laid(responses_prompt, body, newer=newer) == [
        {"role": "developer", "content": "a"},
        {"role": "user", "content": "b", "images": ["AAAA"]},
        {"role": "assistant", "content": "cd", "thinking": "x", "tool_calls": calls},
        {"role": "tool", "content": "e", "tool_call_id": "1"},
        {"role": "tool", "content": "f", "tool_call_id": "2"},
        {"role": "assistant", "content": "", "thinking": "y", "tool_calls": [called(id="3")]},
        {"role": "assistant", "content": "", "thinking": "z"},
    ]


@pytest.mark.parametrize(("first", "together"), [("", "b"), ("a", "a\nb")])
def test_what_is_said_between_a_call_and_its_output_joins_the_call_since_0_30(first, together):
    body = {
        "input": [
            *([{"role": "assistant", "content": first}] if first else []),
            {"type": "function_call", "call_id": "1", "name": "f"},
            {"role": "assistant", "content": "b"},
            {"type": "function_call_output", "call_id": "1", "output": "c"},
        ]
    }
    answer = {"role": "tool", "content": "c", "tool_call_id": "1"}
    said = {"role": "assistant", "content": together, "tool_calls": [called(id="1")]}
    assert laid(responses_prompt, body) == [said, answer]
    assert laid(responses_prompt, body, newer=False) == [
        said | {"content": first},
        {"role": "assistant", "content": "b"},
        answer,
    ]
    body["input"][-1]["call_id"] = "2"
    assert len(laid(responses_prompt, body)) == 3
    body["input"][-1] = {"role": "user", "content": "c"}
    assert len(laid(responses_prompt, body)) == 3


def test_tools_of_responses_have_their_schemas_keys_in_order():
    body = {"tools": [{"type": "function", "name": "f", "description": None, "parameters": SCHEMA}]}
    [tool] = responses_prompt(body, newer=True)["tools"]
    assert tool == {"type": "function", "function": {"name": "f", "description": "", "parameters": SORTED}}
    assert list(tool["function"]["parameters"]["properties"]) == ["a", "z"]


def test_since_0_30_web_search_is_a_function_and_a_namespace_is_its_members():
    inner = [{"type": "function", "name": "f"}, {"type": "function", "name": "n.g"}]
    own = {"type": "function", "name": "web_search"}
    body = {"tools": [{"type": "web_search"}, own, {"type": "namespace", "name": "n", "tools": inner}]}
    newer = responses_prompt(body, newer=True)["tools"]
    assert [tool["function"]["name"] for tool in newer] == ["web_search", "n.f", "n.g"]
    assert newer[0]["function"]["parameters"]["required"] == ["query"]
    assert [tool["type"] for tool in responses_prompt(body, newer=False)["tools"]] == [
        "web_search",
        "function",
        "namespace",
    ]
    assert responses_prompt({"tools": [own]}, newer=True)["tools"][0]["function"]["name"] == "web_search"


def test_a_laid_out_body_is_estimated_with_all_that_the_model_reads():
    message = {
        "role": "assistant",
        "content": "abcd",
        "thinking": "abcd",
        "tool_calls": [called(arguments={"z": "a" * 40})],
    }
    assert estimated_tokens({"messages": []}) == 0
    assert estimated_tokens({"messages": [message | {"tool_calls": []}]}) == 6
    assert 20 < estimated_tokens({"messages": [message]}) < 40
    assert 30 < estimated_tokens({"messages": [message], "tools": [{"name": "a" * 40}]}) < 60


def test_a_tools_answer_has_the_name_of_the_call_with_its_id():
    calls = [{"id": "1", "function": {"name": "f"}}, {"id": "2", "function": {"name": "g"}}]
    body = {
        "messages": [{"role": "assistant", "tool_calls": calls}, {"role": "tool", "tool_call_id": "1", "content": "a"}]
    }
    assert laid(openai_prompt, body)[-1] == {"role": "tool", "content": "a", "tool_name": "f"}
