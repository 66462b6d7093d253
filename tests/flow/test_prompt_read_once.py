"""A prompt under ``/v1`` that is counted first is read once: the count has the request's own prompt, in every shape."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import RELEASES
from support.daemon import LLAMA8
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio

FEW = 8
"""Tokens of a prompt that are read again at most: the last ones, and what ``/v1`` sends of its own."""
WORDS = st.text("ab \n가", min_size=1, max_size=6)
LONG = "long " * 900
SCHEMA = {"type": "object", "required": ["z"], "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}}
NAMES = st.sampled_from(["read", "run"])


def texts(kind):
    return st.builds(lambda text: {"type": kind, "text": text}, WORDS)


@st.composite
def anthropic(draw):
    """A conversation as Claude Code has it: blocks, thinking, calls and results."""
    said = []
    for turn in range(draw(st.integers(1, 3))):
        call = {"type": "tool_use", "id": f"t{turn}", "name": draw(NAMES), "input": {"z": draw(WORDS)}}
        said += [
            {"role": "user", "content": draw(st.one_of(WORDS, st.lists(texts("text"), min_size=1, max_size=3)))},
            {
                "role": "assistant",
                "content": [
                    *draw(st.lists(st.builds(lambda text: {"type": "thinking", "thinking": text}, WORDS), max_size=1)),
                    *draw(st.lists(texts("text"), max_size=2)),
                    call,
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": f"t{turn}",
                        "content": draw(st.one_of(WORDS, st.lists(texts("text"), max_size=2))),
                    },
                    *draw(st.lists(texts("text"), max_size=2)),
                ],
            },
        ]
    tools = [{"name": name, "description": "d", "input_schema": SCHEMA} for name in ("read", "run")]
    system = draw(st.one_of(st.just(LONG), st.just([{"type": "text", "text": LONG}, {"type": "text", "text": "b"}])))
    return {"system": system, "messages": said, "tools": tools, "max_tokens": 32000}


@st.composite
def openai(draw):
    """A conversation of ``/v1/chat/completions``: parts, calls, tools' answers."""
    said = [{"role": draw(st.sampled_from(["system", "developer"])), "content": LONG}]
    for turn in range(draw(st.integers(1, 3))):
        function = {"name": draw(NAMES), "arguments": json.dumps({"z": draw(WORDS), "a": 1})}
        said += [
            {"role": "user", "content": draw(st.one_of(WORDS, st.lists(texts("text"), min_size=1, max_size=3)))},
            {
                "role": "assistant",
                "content": draw(st.one_of(st.none(), WORDS, st.lists(texts("text"), min_size=1, max_size=2))),
                "tool_calls": [{"id": f"c{turn}", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": f"c{turn}", "content": draw(WORDS)},
        ]
    tools = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("read", "run")]
    return {"messages": said, "tools": tools}


@st.composite
def responses(draw):
    """A conversation of ``/v1/responses`` as codex has it."""
    items = []
    if draw(st.booleans()):
        items.append(
            {"type": "message", "role": "developer", "content": draw(st.lists(texts("input_text"), max_size=3))}
        )
    for turn in range(draw(st.integers(1, 3))):
        function = {"name": draw(NAMES), "arguments": json.dumps({"z": draw(WORDS)})}
        items += [
            {"type": "message", "role": "user", "content": draw(st.lists(texts("input_text"), min_size=1, max_size=3))},
            *[
                {"type": "message", "role": "assistant", "content": [part]}
                for part in draw(st.lists(texts("output_text"), max_size=1))
            ],
            {"type": "function_call", "call_id": f"c{turn}", **function},
            {"type": "function_call_output", "call_id": f"c{turn}", "output": draw(WORDS)},
        ]
    tools = [{"type": "function", "name": name, "description": None, "parameters": SCHEMA} for name in ("read", "run")]
    return {"instructions": LONG, "input": items, "tools": tools}


SHAPES = {"/v1/messages": anthropic(), "/v1/chat/completions": openai(), "/v1/responses": responses()}


@pytest.mark.parametrize("release", sorted(RELEASES))
@pytest.mark.parametrize("path", SHAPES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
async def test_the_count_leaves_the_request_nothing_to_read(release, path, data):
    body = {"model": LLAMA8, **data.draw(SHAPES[path])}
    async with open_http_daemon(simulator=Simulator(ollama=RELEASES[release], speed=1000)) as server:
        answer = await server.http.post(path, body)
        assert answer.status == 200, answer
        count, request = list(server.daemon.simulator.journal.reads)
        assert request.tokens == count.tokens
        assert request.tokens - request.cached <= FEW
