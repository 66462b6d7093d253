import json
from types import SimpleNamespace

import pytest

from innkeepd.backends.ollama_dialect import NEWEST
from innkeepd.chat.types import Assignment
from innkeepd.residency.catalog import Candidate
from innkeepd.server.http.errors import HttpFault
from innkeepd.server.http.request import ENDPOINTS, decode, read, spoken, text_of


def asked(path="/api/chat", headers=None, **body):
    return read(ENDPOINTS[path], json.dumps({"model": "big", **body}).encode())


def lease(name="big:latest", context=8192, backend=None):
    return Assignment(Candidate(name, "w", backend), SimpleNamespace(dialect=NEWEST), context, 1800.0, 1, None)


def sent(request, **more):
    return json.loads(request.body_for(lease(**more)))


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "missing request body"), (b"{", "not JSON"), (b"[]", "not a JSON object"), (b"\xff", "not JSON")],
)
def test_a_body_that_is_none_is_told_in_one_line(data, words):
    with pytest.raises(HttpFault, match=words) as told:
        decode(data)
    assert told.value.status == 400


@pytest.mark.parametrize("model", [None, "", "  ", 7])
def test_a_model_is_required(model):
    with pytest.raises(HttpFault, match="model is required"):
        asked(model=model)


def test_name_stands_for_model_in_ollamas_own_api_only():
    assert read(ENDPOINTS["/api/chat"], b'{"name":"big","messages":[1]}').name == "big"
    with pytest.raises(HttpFault):
        read(ENDPOINTS["/v1/completions"], b'{"name":"big"}')


def test_streaming_is_each_apis_own_default():
    assert asked().stream
    assert not asked(stream=False).stream
    assert not asked("/v1/chat/completions").stream
    assert asked("/v1/messages", stream=True).stream
    assert not asked("/api/embed", stream=True).stream


def test_the_clients_spelling_goes_on_where_it_is_the_same_model():
    assert sent(asked())["model"] == "big"
    assert sent(asked(), name="other:1b")["model"] == "other:1b"
    assert sent(asked(model="ollama/big"))["model"] == "big:latest"


def test_an_engine_elsewhere_gets_the_body_as_it_is():
    request = asked(model="far/big", options={"num_ctx": 9}, keep_alive=3)
    assert sent(request, name="far/big", context=None, backend="far") == {
        "model": "big", "options": {"num_ctx": 9}, "keep_alive": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "is_promptless", "out"),
    [
        ("/api/generate", {}, True, False),
        ("/api/generate", {"prompt": "", "keep_alive": 0}, True, True),
        ("/api/generate", {"keep_alive": 0.0}, True, True),
        ("/api/generate", {"keep_alive": "0s"}, True, True),
        ("/api/generate", {"keep_alive": "10m"}, True, False),
        ("/api/generate", {"keep_alive": -1}, True, False),
        ("/api/chat", {"messages": []}, True, False),
        ("/api/chat", {"messages": [{"role": "user", "content": "x"}], "keep_alive": 0}, False, True),
        ("/v1/completions", {"prompt": ""}, False, False),
    ],
)
def test_a_request_without_a_prompt_loads_or_unloads(path, body, is_promptless, out):
    request = asked(path, **body)
    assert (request.is_promptless, request.wants_it_out) == (is_promptless, out)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"messages": [{"role": "user", "content": "a"}]}, [("user", "a")]),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, "b", 7]}]}, [("user", "a\nb")]),
        ({"system": "s", "prompt": ["a", "b"]}, [("system", "s"), ("user", "a\nb")]),
        ({"instructions": "s", "input": "a"}, [("system", "s"), ("user", "a")]),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}, {"output": "b"}, "c", 7]},
            [("user", "a"), ("", "b"), ("user", "c")],
        ),
        ({"messages": "nonsense"}, []),
    ],
)
def test_what_was_said_is_found_in_every_apis_shape(body, expected):
    assert [(each.role, each.text) for each in spoken(body)] == expected


def test_text_inside_a_tools_result_counts_as_read():
    assert text_of([{"type": "tool_result", "content": [{"type": "text", "text": "deep"}]}]) == "deep"


def test_neighbouring_user_messages_are_one_turn():
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "debug this"},
        {"role": "user", "content": "context of OpenClaw's own"},
    ]
    assert asked(messages=messages).spec({}).demand.turns == ("first", "debug this\n\ncontext of OpenClaw's own")


def test_headers_say_what_the_body_cannot():
    headers = {
        b"x-innkeep-session": b"s1",
        b"x-innkeep-priority": b"agent",
        b"x-innkeep-patience": b"30",
        b"user-agent": b"OpenAI/Python 3.54.0",
    }
    spec = asked(messages=[{"role": "user", "content": "a"}]).spec(headers)
    assert (spec.session, spec.priority, spec.patience, spec.client) == ("s1", "agent", 30.0, "http OpenAI/Python")


@pytest.mark.parametrize(
    "headers", [{b"x-innkeep-priority": b"vip"}, {b"x-innkeep-patience": b"soon"}, {b"x-innkeep-patience": b"-1"}]
)
def test_a_header_without_sense_is_told(headers):
    with pytest.raises(HttpFault, match="x-innkeep"):
        asked().spec(headers)


@pytest.mark.parametrize(
    ("body", "needs"),
    [
        ({"tools": []}, set()),
        ({"tools": [{}]}, {"tools"}),
        ({"think": False}, set()),
        ({"think": "low"}, {"thinking"}),
        ({"messages": [{"role": "user", "content": "x", "images": ["aa"]}]}, {"vision"}),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, "odd"]}, {"vision"}),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, {"vision"}),
        ({"reasoning_effort": "high"}, {"thinking"}),
        ({"reasoning": {"effort": "low"}}, {"thinking"}),
        ({"reasoning_effort": "none"}, set()),
        ({"reasoning": "odd", "thinking": {"type": "enabled"}}, set()),
    ],
)
def test_what_a_request_needs_of_a_model_is_seen(body, needs):
    assert asked(**body).spec({}).demand.needs == needs


def test_tools_count_as_prompt():
    plain, laden = asked().spec({}), asked(tools=[{"function": {"name": "x" * 400}}]).spec({})
    assert laden.demand.tokens > plain.demand.tokens + 90
