import json

import httpx2
import pytest

from innkeepd.backends.backend import Ask, BackendFault, Completion, Piece
from innkeepd.backends.openai import OpenAIBackend
from support.remote import JSON, RemoteEngine, answer, delta

pytestmark = pytest.mark.anyio

TOKEN = "sk-very-secret"


def ask(**extra):
    return Ask("llama3.3", [{"role": "user", "content": "hi"}], None, 60.0, {"num_predict": 4}, extra)


@pytest.fixture
def engine():
    return RemoteEngine(token=TOKEN)


@pytest.fixture
def backend(engine):
    return OpenAIBackend(engine)


async def reported(backend, question=None):
    async with backend.chat(question or ask()) as pieces:
        return [piece async for piece in pieces]


async def fault(waiting):
    with pytest.raises(BackendFault) as caught:
        await waiting
    assert TOKEN not in caught.value.message
    return caught.value


async def test_a_chat_is_streamed_with_our_token(engine, backend):
    assert await reported(backend) == [Piece("from "), Piece("the "), Piece("cluster"), Completion("stop", 5, 3)]
    ((method, path, body, headers),) = engine.asked
    assert (method, path, body["max_tokens"]) == ("POST", "/v1/chat/completions", 4)
    assert headers == {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
    assert engine.open_answers == 0


async def test_the_token_is_in_no_repr(engine, backend):
    assert repr(backend) == f"<OpenAIBackend {engine.url}>"
    assert TOKEN not in repr(engine)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://c:8000", "/v1/models"),
        ("http://c:8000/v1", "/models"),
        ("https://c/llm/v1", "/models"),
    ],
)
async def test_an_address_with_a_path_is_the_apis_own(url, path):
    engine = RemoteEngine(url)
    engine.pages[path] = (200, b'{"data":[{"id":"a/b"},{"id":"c"}]}')
    backend = OpenAIBackend(engine)
    assert [model.name for model in await backend.pulled()] == ["a/b", "c"]
    assert engine.asked[0][1] == path
    async with backend.forward("POST", "/v1/completions", b"{}") as reply:
        await reply.read()
    assert engine.asked[1][1] == path.replace("models", "completions")


async def test_nothing_is_loaded_unloaded_or_asked_for_memory(engine, backend):
    await backend.load("x", context=4096, keep_alive=1)
    await backend.unload("x")
    assert backend.cloud() is backend
    assert (await backend.running(), await backend.version(), engine.asked) == ([], "", [])
    await backend.aclose()
    assert engine.closed


async def test_who_asked_for_no_thinking_gets_none(engine, backend):
    engine.chunks = [delta(reasoning_content="hm"), *answer("yes")]
    assert [piece.thinking for piece in (await reported(backend, ask(think=False)))[:-1]] == [None, None]


async def test_a_server_that_does_not_stream_is_understood(engine, backend):
    engine.headers = JSON
    engine.chunks = [b'{"choices":[{"message":{"content":"whole"},"finish_reason":"stop"}]}']
    assert await reported(backend) == [Piece("whole"), Completion("stop")]


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [(401, f"bad {TOKEN}", "backend_error"), (404, "model x not found", "unknown_model"), (429, "busy", "queue_full"),
     (500, f"boom {TOKEN}", "backend_error")],
)  # fmt: skip
async def test_refusals_are_faults_that_never_tell_the_token(engine, backend, status, text, code):
    engine.refuse(status, text)
    assert (await fault(reported(backend))).code == code


async def test_a_fault_in_mid_stream_does_not_tell_the_token_either(engine, backend):
    engine.chunks = [delta(content="a"), f'data: {{"error": "boom {TOKEN}"}}\n\n'.encode()]
    assert (await fault(reported(backend))).message == "boom ***"


async def test_a_line_that_is_down_or_breaks_is_unreachable(engine, backend):
    engine.chunks = [delta(content="a"), httpx2.ReadError("broke")]
    assert (await fault(reported(backend))).code == "backend_unreachable"
    engine.down = 0.0
    assert (await fault(reported(backend))).code == "backend_unreachable"
    assert (await fault(backend.pulled())).code == "backend_unreachable"


async def test_vectors(engine, backend):
    engine.pages["/v1/embeddings"] = (200, b'{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}')
    assert await backend.embed("e", ["a", "b"], context=None, keep_alive=1) == [[1.0], [2.0]]
    assert engine.asked[0][2] == {"model": "e", "input": ["a", "b"], "encoding_format": "float"}
    assert (await fault(backend.embed("e", ["a"], context=None, keep_alive=1))).code == "backend_error"


async def test_an_answer_that_is_not_the_apis_is_a_fault(engine, backend):
    engine.pages["/v1/models"] = (200, b"<html>")
    assert "did not answer as the OpenAI API does" in (await fault(backend.pulled())).message


async def forwarded(backend, path, **body):
    sent = json.dumps({"model": "x", **body}).encode()
    async with backend.forward("POST", path, sent, {"Authorization": "Bearer theirs"}) as reply:
        assert reply.status == 200
        return b"".join([chunk async for chunk in reply.chunks()])


async def test_requests_are_passed_through_with_our_token_in_place_of_the_clients(engine, backend):
    assert await forwarded(backend, "/v1/chat/completions", odd=1) == b"".join(answer("from ", "the ", "cluster"))
    assert engine.asked[0][2:] == ({"model": "x", "odd": 1}, {"authorization": f"Bearer {TOKEN}"})


@pytest.mark.parametrize(
    ("path", "refusal", "code"),
    [
        ("/v1/chat/completions", (401, "no"), "backend_error"),
        ("/v1/chat/completions", (404, "model x not found"), "unknown_model"),
        ("/v1/responses", (404, "Not Found"), "unsupported"),
        ("/v1/messages", (405, "Method Not Allowed"), "unsupported"),
    ],
)
async def test_error_answers_are_faults_a_client_does_not_take_our_refused_token_for_its_own(
    engine, backend, path, refusal, code
):
    engine.refuse(*refusal)
    assert (await fault(forwarded(backend, path))).code == code


async def test_a_line_that_breaks_while_passing_through_is_a_fault(engine, backend):
    engine.chunks = [httpx2.ReadError("broke")]
    assert (await fault(forwarded(backend, "/v1/responses"))).code == "backend_unreachable"


async def test_ollamas_own_chat_is_put_into_the_engines_words_and_back(engine, backend):
    lines = [json.loads(line) for line in (await forwarded(backend, "/api/chat", messages=[])).splitlines()]
    assert "".join(line["message"]["content"] for line in lines) == "from the cluster"
    assert [line["done"] for line in lines] == [False, False, False, True]
    assert engine.chats[0]["model"] == "x"


async def test_ollamas_own_completion_in_one_piece(engine, backend):
    reported = json.loads(await forwarded(backend, "/api/generate", prompt="hi", system="be brief", stream=False))
    assert (reported["response"], reported["done"], reported["eval_count"]) == ("from the cluster", True, 3)
    assert [message["role"] for message in engine.chats[0]["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/api/embed", {"model": "x", "embeddings": [[1.0]]}), ("/api/embeddings", {"embedding": [1.0]})],
)
async def test_ollamas_own_embeddings(engine, backend, path, expected):
    engine.pages["/v1/embeddings"] = (200, b'{"data":[{"embedding":[1]}]}')
    assert json.loads(await forwarded(backend, path, input="a")) == expected


async def test_what_has_no_word_there_is_unsupported(engine, backend):
    assert (await fault(forwarded(backend, "/api/pull"))).code == "unsupported"
    assert (await fault(forwarded(backend, "/api/generate", prompt="a", raw=True))).code == "unsupported"
    assert engine.asked == []


DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize("garbage", [b'{"data":[{"id":"\xff"}]}', b'{"x":' + DEEP + b',"data":[]}', b"<html>", b"null"])
async def test_garbage_is_a_fault_of_the_engine_at_every_call(engine, backend, garbage):
    engine.pages["/v1/models"] = engine.pages["/v1/embeddings"] = (200, garbage)
    assert (await fault(backend.pulled())).code == "backend_error"
    assert (await fault(backend.embed("x", ["a"]))).code == "backend_error"


@pytest.mark.parametrize(
    "event",
    [
        b'{"choices":[{"delta":{"content":"\xff"}}]}',
        b'{"x":' + DEEP + b"}",
        b'{"error":{"message":"x","code":"' + b"9" * 5000 + b'"}}',
        b'{"error":{"message":"x","code":' + b"9" * 4000 + b"}}",
        b'{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{\\"a\\":'
        + b"[" * 3000
        + b"]" * 3000
        + b'}"}}]},"finish_reason":"stop"}]}',
    ],
)
async def test_garbage_in_an_answer_is_a_fault_of_the_engine(engine, backend, event):
    engine.chunks = [b"data: " + event + b"\n\n"]
    assert (await fault(reported(backend))).code == "backend_error"


async def test_token_counts_that_cannot_be_true_are_none(engine, backend):
    usage = b'{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":'
    event = b"data: " + usage + b"9" * 30 + b',"completion_tokens":-5}}\n\n'
    engine.chunks = [event]
    assert (await reported(backend))[-1] == Completion("stop", 0, 0)
