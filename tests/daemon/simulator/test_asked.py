import math

import pytest

from innkeepd.simulator.asked import keep_alive, native, openai
from innkeepd.simulator.faults import Refusal


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (0, 0.0),
        (0.0, 0.0),
        ("0", 0.0),
        (90, 90.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        (-1, math.inf),
        ("-1s", math.inf),
    ],
)
def test_keep_alive_is_a_number_or_a_go_duration(value, seconds):
    assert keep_alive(value) == seconds


@pytest.mark.parametrize("value", ["five", "10", True, []])
def test_other_keep_alives_are_refused(value):
    with pytest.raises(Refusal) as refusal:
        keep_alive(value)
    assert refusal.value.status == 400


def test_a_request_without_messages_or_prompt_only_loads():
    assert native({"model": "m"}, chat=True).promptless
    assert native({"model": "m", "prompt": ""}, chat=False).promptless
    assert not native({"model": "m", "prompt": "hi"}, chat=False).promptless


def test_native_streams_unless_told_otherwise_and_openai_only_if_told():
    assert native({"model": "m"}, chat=True).stream
    assert not native({"model": "m", "stream": False}, chat=True).stream
    assert not openai({"model": "m"}, chat=True).stream


def test_a_message_of_parts_is_its_text():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, "b"]
    asked = openai({"model": "m", "messages": [{"role": "user", "content": parts}]}, chat=True)
    assert asked.text == "a\n\nb"


def test_openai_limits_and_formats_are_understood():
    body = {
        "model": "m",
        "max_completion_tokens": 5,
        "options": {"num_ctx": 9},
        "response_format": {"type": "json_object"},
    }
    asked = openai(body, chat=True)
    assert (asked.num_predict, asked.options, asked.format, asked.keep) == (5, {}, "json", None)
    schema = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
    assert openai(body | {"response_format": schema}, chat=True).format == {"type": "object"}


@pytest.mark.parametrize(
    "body", [{}, {"model": ""}, {"model": "m", "messages": "hi"}, {"model": "m", "messages": ["hi"]}]
)
def test_what_makes_no_sense_is_refused(body):
    with pytest.raises(Refusal):
        native(body, chat=True)


def test_the_old_field_name_is_the_model():
    assert native({"name": "m"}, chat=True).model == "m"


def test_instructions_behind_the_users_message_are_not_taken_for_the_last_message():
    messages = [{"role": "user", "content": "use the tool"}, {"role": "system", "content": "# Environment"}]
    assert openai({"model": "m", "messages": messages}, chat=True).text == "use the tool"
    assert openai({"model": "m", "messages": [*messages, {"role": "tool", "content": "x"}]}, chat=True).text == ""
