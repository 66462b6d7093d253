import json
import math
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
import trio
from trio.testing import MockClock

from innkeepd.backends.backend import Ask, BackendFault, Completion, Piece
from innkeepd.backends.ollama import SHOWN_AGAIN, SHOWN_WITHIN, OllamaBackend
from innkeepd.backends.ollama_dialect import LLAMA_SERVER, NEWEST, OWN_RUNNER
from innkeepd.policy.model import DERIVED_PREFIX, footprint
from support.scripted import ScriptedTransport, recorded, recordings

pytestmark = pytest.mark.anyio

HELLO = [{"role": "user", "content": "hello"}]
LOADED = (200, b'{"model":"big","response":"","done":true,"done_reason":"load"}')


def backend(**script):
    transport = ScriptedTransport({f"/api/{path}": answer for path, answer in script.items()})
    return OllamaBackend(transport), transport


def ask(**changed):
    return Ask(**{"model": "big", "messages": HELLO, "context": 8192, "keep_alive": 1800.0, **changed})


async def reported(ollama, question=None):
    async with ollama.chat(question or ask()) as stream:
        return [item async for item in stream]


async def test_version_and_running_are_the_recorded_ones():
    ollama, transport = backend(version="version", ps="ps_keepalive_neg")
    assert await ollama.version() == "0.0.0"
    running = await ollama.running()
    assert [(each.name, each.size, each.context) for each in running] == [
        ("tiny:latest", 1231104, 4096),
        ("mid:latest", 96774144, 4096),
        ("big:latest", 478793728, 4096),
    ]
    assert running[0].expires == pytest.approx(11018803257.72)
    assert [asked[:2] for asked in transport.asked] == [("GET", "/api/version"), ("GET", "/api/ps")]
    assert (ollama.url, repr(ollama)) == (transport.url, f"<OllamaBackend {transport.url}>")


async def test_nothing_running_and_nothing_pulled_are_empty_lists():
    ollama, _ = backend(ps="ps_after_unload", tags=(200, b'{"models":null}'))
    assert await ollama.running() == []
    assert await ollama.pulled() == []


async def test_models_are_shown_once_for_each_digest_and_forgotten_when_gone():
    ollama, transport = backend(tags="tags", show="show_mid")
    first = await ollama.pulled()
    assert [model.name for model in first] == ["big:latest", "mid:latest", "tiny:latest"]
    assert {model.layers for model in first} == {8}
    assert await ollama.pulled() == first
    assert [path for _, path, _ in transport.asked].count("/api/show") == 3
    transport._script["/api/tags"] = (200, b'{"models":[]}')
    assert await ollama.pulled() == []
    transport._script["/api/tags"] = "tags"
    await ollama.pulled()
    assert [path for _, path, _ in transport.asked].count("/api/show") == 6


async def test_a_model_whose_show_fails_still_appears_and_is_asked_for_again():
    ollama, transport = backend(
        tags="tags", show=lambda body: "show_missing" if body["model"][0] == "b" else "show_mid"
    )
    big, mid, _ = await ollama.pulled()
    assert (big.layers, big.size, big.weights) == (0, 378682694, big.digest)
    assert mid.layers == 8
    transport._script["/api/show"] = "show_mid"
    assert (await ollama.pulled())[0].layers == 8


async def test_models_that_innkeep_derived_are_hidden():
    tags = {"models": [{"name": f"{DERIVED_PREFIX}big:8192", "digest": "a"}, {"name": "big:latest", "digest": "b"}]}
    ollama, transport = backend(tags=(200, json.dumps(tags).encode()), show="show_mid")
    assert [model.name for model in await ollama.pulled()] == ["big:latest"]
    assert transport.asked[1][2] == {"model": "big:latest"}


async def test_a_load_is_a_promptless_generate_with_context_and_keep_alive():
    ollama, transport = backend(generate=LOADED)
    await ollama.load("big", context=8192, keep_alive=1800.0)
    await ollama.load("big", context=8192, keep_alive=math.inf)
    await ollama.load("big", context=8192, keep_alive=0.5)
    bodies = [body for _, _, body in transport.asked]
    assert bodies[0] == {"model": "big", "stream": False, "keep_alive": 1800, "options": {"num_ctx": 8192}}
    assert [body["keep_alive"] for body in bodies] == [1800, -1, 0.5]


async def test_an_ollama_elsewhere_is_told_nothing_of_how_long_it_keeps_a_model():
    transport = ScriptedTransport(
        {"/api/chat": "chat_unloaded_midstream", "/api/embed": (200, b'{"embeddings":[[1]]}')}
    )
    far = OllamaBackend(transport, elsewhere=True)
    await reported(far, ask(context=None))
    await far.embed("big", ["a"], context=None, keep_alive=60)
    bodies = [body for _, _, body in transport.asked]
    assert [("keep_alive" in body, body["options"]) for body in bodies] == [(False, {}), (False, {})]


async def test_an_embedding_model_is_loaded_by_embedding_nothing():
    refusal = (400, b'{"error":"\\"nomic\\" does not support generate"}')
    ollama, transport = backend(generate=refusal, embed=(200, b'{"model":"nomic","embeddings":[]}'))
    await ollama.load("nomic", context=2048, keep_alive=60)
    assert transport.asked[1][2] == {
        "model": "nomic",
        "stream": False,
        "keep_alive": 60,
        "options": {"num_ctx": 2048},
        "input": [],
    }


async def test_an_unload_is_keep_alive_zero_and_nothing_is_ever_deleted():
    ollama, transport = backend(generate="unload_tiny")
    await ollama.unload("tiny")
    assert transport.asked == [("POST", "/api/generate", {"model": "tiny", "stream": False, "keep_alive": 0})]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("chat_oom", "out_of_memory"),
        ("chat_load_failure_missing_tensor", "load_failed"),
        ("chat_missing", "unknown_model"),
    ],
)
async def test_a_load_that_fails_says_how(name, code):
    ollama, _ = backend(generate=name)
    with pytest.raises(BackendFault) as failure:
        await ollama.load("big", context=4096, keep_alive=60)
    assert failure.value.code == code
    assert failure.value.status == recorded(name)[0]


async def test_an_error_in_the_body_of_a_good_status_is_an_error():
    ollama, _ = backend(generate=(200, b'{"error":"error starting runner: no"}'))
    with pytest.raises(BackendFault) as failure:
        await ollama.load("big", context=4096, keep_alive=60)
    assert failure.value.code == "load_failed"


async def test_a_chat_streams_pieces_and_one_finish():
    ollama, transport = backend(chat="chat_unloaded_midstream")
    *pieces, finish = await reported(ollama)
    assert pieces == [Piece(text) for text in (">", "6", "*", "A", "\t")]
    assert (finish.finish_reason, finish.prompt_tokens, finish.completion_tokens) == ("stop", 6, 21)
    assert transport.open_answers == 0


async def test_what_the_daemon_owns_cannot_be_overlaid():
    ollama, transport = backend(chat="chat_mid_stream")
    options = {"temperature": 0, "num_ctx": 99, "num_gpu": 1, "num_batch": 7, "use_mmap": False, "num_thread": 3}
    options["draft_num_predict"] = 4
    extra = {
        "format": "json",
        "think": "low",
        "new_key": 1,
        "keep_alive": -1,
        "truncate": True,
        "shift": False,
        "options": {},
        "stream": False,
    }
    await reported(ollama, ask(options=options, extra=extra))
    body = transport.asked[0][2]
    assert 8192 - 2048 < body["options"].pop("num_predict") < 8192 - 1024
    assert body == {
        "format": "json",
        "think": "low",
        "new_key": 1,
        "model": "big",
        "messages": HELLO,
        "stream": True,
        "truncate": False,
        "keep_alive": 1800,
        "options": {"temperature": 0, "num_ctx": 8192},
    }


@pytest.mark.parametrize(("version", "shift"), [("0.17.4", [False]), ("0.30.0", []), ("0.33.0", [])])
async def test_the_dialect_follows_the_version_that_was_read_last(version, shift):
    ollama, transport = backend(version=(200, json.dumps({"version": version}).encode()), chat="chat_mid_stream")
    await ollama.version()
    await reported(ollama)
    assert [body["shift"] for _, _, body in transport.asked if body and "shift" in body] == shift


@pytest.mark.parametrize(
    ("tags", "dialect"),
    [
        (b'{"models":[{"name":"a"}]}', OWN_RUNNER),
        (b'{"models":[{"name":"a","capabilities":["completion"]}]}', LLAMA_SERVER),
        (b'{"models":[]}', NEWEST),
    ],
)
async def test_a_build_from_source_is_known_by_its_tags(tags, dialect):
    ollama, _ = backend(version=(200, b'{"version":"0.0.0"}'), tags=(200, tags), show=(404, b"{}"))
    await ollama.version()
    await ollama.pulled()
    assert ollama.dialect is dialect


async def test_a_number_says_more_than_the_tags():
    tags = b'{"models":[{"name":"a","capabilities":["completion"]}]}'
    ollama, _ = backend(version=(200, b'{"version":"0.17.4"}'), tags=(200, tags), show=(404, b"{}"))
    await ollama.version()
    await ollama.pulled()
    assert ollama.dialect is OWN_RUNNER


async def test_without_a_context_none_is_sent():
    ollama, transport = backend(chat="chat_mid_stream", embed="embed_mid")
    await reported(ollama, ask(context=None))
    await ollama.embed("mid", ["a"], context=None, keep_alive=60)
    assert [body["options"] for _, _, body in transport.asked] == [{}, {}]


@pytest.mark.parametrize(
    "name", [name for name in recordings() if name.startswith("chat") and recorded(name)[0] >= 400]
)
async def test_a_refused_chat_fails_on_entering(name):
    ollama, transport = backend(chat=name)
    with pytest.raises(BackendFault) as failure:
        await reported(ollama)
    assert failure.value.code != "backend_error"
    assert str(failure.value) == json.loads(recorded(name)[1])["error"]
    assert transport.open_answers == 0


async def test_a_crash_in_mid_answer_is_raised_after_the_text_before_it():
    ollama, _ = backend(chat="chat_runner_killed_midstream")
    pieces = []
    with pytest.raises(BackendFault) as failure:
        async with ollama.chat(ask()) as stream:
            async for item in stream:
                pieces.append(item)  # noqa: PERF401 (the list must survive the failure)
    assert len(pieces) == 6
    assert failure.value.code == "backend_error"


async def test_a_connection_that_breaks_in_mid_answer_is_unreachable_where_the_reader_stands():
    first = recorded("chat_mid_stream")[1].splitlines(keepends=True)[0]
    ollama, transport = backend(chat=(200, [first, httpx2.ReadError("broke")]))
    async with ollama.chat(ask()) as stream:
        assert await anext(stream) == Piece("+")
        with pytest.raises(BackendFault, match="the connection broke") as failure:
            await anext(stream)
    assert failure.value.code == "backend_unreachable"
    assert transport.open_answers == 0


async def test_after_the_finish_the_stream_is_over():
    ollama, _ = backend(chat="chat_mid_stream")
    async with ollama.chat(ask()) as stream:
        assert isinstance([item async for item in stream][-1], Completion)
        assert await anext(stream, "over") == "over"


async def test_leaving_early_lets_the_answer_go():
    ollama, transport = backend(chat="chat_unloaded_midstream")
    async with ollama.chat(ask()) as stream:
        await anext(stream)
        assert transport.open_answers == 1
    assert transport.open_answers == 0


async def test_texts_are_embedded_without_being_cut():
    ollama, transport = backend(embed="embed_mid")
    (vector,) = await ollama.embed("mid", ["hello"], context=4096, keep_alive=60)
    assert len(vector) == 512
    assert transport.asked[0][2]["truncate"] is False


@pytest.mark.parametrize("call", [lambda it: it.version(), lambda it: it.pulled(), lambda it: it.running(), reported])
async def test_an_unreachable_ollama_is_a_fault_of_that_code(call):
    gone = httpx2.ConnectError("connection refused")
    ollama, _ = backend(version=gone, tags=gone, ps=gone, chat=gone)
    with pytest.raises(BackendFault, match="connection refused") as failure:
        await call(ollama)
    assert failure.value.code == "backend_unreachable"
    assert "Start it with `ollama serve`" in failure.value.message


async def test_a_stranger_on_the_port_is_a_backend_error():
    ollama, _ = backend(version=(200, b"<html>"), ps=(200, b'{"models":[{"nome":1}]}'))
    for call in (ollama.version, ollama.running):
        with pytest.raises(BackendFault, match="did not answer as Ollama does") as failure:
            await call()
        assert failure.value.code == "backend_error"


async def test_a_forwarded_request_comes_back_as_it_is():
    ollama, transport = backend(tags="chat_missing")
    async with ollama.forward("GET", "/api/tags") as answer:
        assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
        assert await answer.read() == recorded("chat_missing")[1]
    assert transport.asked == [("GET", "/api/tags", None)]


async def test_a_forwarded_answer_that_breaks_is_a_fault():
    ollama, _ = backend(tags=(200, [b"a", httpx2.ReadError("broke")]))
    async with ollama.forward("GET", "/api/tags") as answer:
        with pytest.raises(BackendFault, match="broke"):
            await answer.read()
    async with ollama.forward("GET", "/api/tags") as answer:
        chunks = answer.chunks()
        assert [await anext(chunks)] == [b"a"]
        with pytest.raises(BackendFault, match="broke"):
            [chunk async for chunk in chunks]


async def test_closing_closes_the_transport():
    ollama, transport = backend()
    await ollama.aclose()
    assert transport.closed


async def test_cancelling_a_chat_lets_the_answer_go():
    class Silent:
        def __aiter__(self):
            return self

        async def __anext__(self):
            await anyio.sleep_forever()

    ollama, transport = backend(chat=(200, []))
    with anyio.CancelScope() as scope:
        async with ollama.chat(ask()) as stream:
            stream._chunks = Silent()
            scope.cancel()
            await anext(stream)
    assert scope.cancelled_caught
    assert transport.open_answers == 0


DEEP = b"[" * 5000 + b"]" * 5000
GARBAGE = {
    "invalid UTF-8": b'{"models":[{"name":"\xff\xfe"}],"version":"\xff","response":"\xff"}',
    "nested deeply": b'{"zzz":' + DEEP + b',"models":[],"version":"1"}',
    "a long number": b'{"models":[{"name":"a","size":' + b"9" * 5000 + b'}],"done":' + b"9" * 5000 + b"}",
    "nulls": b'{"models":[null],"version":null,"done":"x"}',
    "no JSON": b"<html>",
    "nothing": b"",
    "a list": b"[]",
}


@pytest.mark.parametrize("call", ["version", "running", "pulled", "load", "unload", "embed"])
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_a_fault_of_the_engine_at_every_call(call, garbage):
    ollama, _ = backend(**dict.fromkeys(("version", "ps", "tags", "show", "generate", "embed"), (200, garbage)))
    more = {"load": {"context": 1, "keep_alive": 1}, "embed": {"texts": ["a"], "context": 1, "keep_alive": 1}}
    named = ("a",) if call in ("load", "unload", "embed") else ()
    try:
        await getattr(ollama, call)(*named, **more.get(call, {}))
    except BackendFault as fault:
        assert fault.code == "backend_error"
        assert "xff" not in fault.message


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_a_model_whose_show_is_garbage_is_told_by_tags(garbage):
    ollama, _ = backend(tags="tags", show=(200, garbage))
    assert [model.layers for model in await ollama.pulled()] == [0, 0, 0]


@pytest.mark.parametrize("number", ["1e308", "-4", "[1e308,1e308]", "9" * 400, '"8"', "null"])
async def test_an_odd_number_in_a_models_shape_is_not_believed(number):
    keys = ("llama.block_count", "llama.attention.head_count", "llama.attention.key_length", "llama.context_length")
    info = ",".join(f'"{key}":{number}' for key in (*keys, "llama.embedding_length", "general.parameter_count"))
    ollama, _ = backend(tags="tags", show=(200, f'{{"model_info":{{"general.architecture":"llama",{info}}}}}'.encode()))
    model = (await ollama.pulled())[0]
    assert (model.layers, model.kv_heads, model.key_length, model.max_context) == (0, 0, 0, 0)
    assert footprint(model, 32768) < 2 * model.size


async def test_sizes_that_no_machine_has_are_not_believed():
    line = b'{"models":[{"name":"a","size":-5,"context_length":-1},{"name":"b","size":' + b"9" * 25 + b"}]}"
    ollama, _ = backend(ps=(200, line), tags=(200, line), show="show_missing")
    assert [(each.size, each.context) for each in await ollama.running()] == [(0, None), (0, None)]
    assert [each.size for each in await ollama.pulled()] == [0, 0]


async def test_garbage_in_an_answer_is_a_fault_that_does_not_quote_it():
    for garbage in (b'{"message":{"content":"secret \xff"}}\n', b'{"zzz":' + DEEP + b"}\n"):
        ollama, _ = backend(chat=(200, garbage))
        with pytest.raises(BackendFault, match="not one of its answers"):
            await reported(ollama)


def on_jumping_clock(work):
    return trio.run(work, clock=MockClock(autojump_threshold=0))


class HangingTransport(ScriptedTransport):
    """Never answers a path, or a model of one."""

    def __init__(self, script, hangs):
        super().__init__(script)
        self._hangs = hangs

    @asynccontextmanager
    async def request(self, method, path, body=None, headers=None):
        if self._hangs(path, body):
            self.asked.append((method, path, None))
            await anyio.sleep_forever()
        async with super().request(method, path, body, headers) as answer:
            yield answer


def test_one_show_that_hangs_delays_the_list_by_two_seconds_once():
    async def work():
        script = {"/api/tags": "tags", "/api/show": "show_mid"}
        transport = HangingTransport(script, lambda path, body: path == "/api/show" and b"big" in body)
        ollama = OllamaBackend(transport)
        assert [model.layers for model in await ollama.pulled()] == [0, 8, 8]
        assert anyio.current_time() == pytest.approx(began + SHOWN_WITHIN, abs=0.1)
        await ollama.pulled()
        assert anyio.current_time() == pytest.approx(began + SHOWN_WITHIN, abs=0.1)
        await anyio.sleep(SHOWN_AGAIN)
        transport._hangs = lambda *_: False
        assert [model.layers for model in await ollama.pulled()] == [8, 8, 8]

    async def timed():
        nonlocal began
        began = anyio.current_time()
        await work()

    began = 0.0
    on_jumping_clock(timed)


def test_no_call_waits_for_ever():
    async def work():
        ollama = OllamaBackend(HangingTransport({}, lambda *_: True))
        for call in (
            ollama.version(),
            ollama.running(),
            ollama.pulled(),
            ollama.unload("a"),
            ollama.load("a", context=1, keep_alive=1),
            ollama.embed("a", ["a"], context=1, keep_alive=1),
        ):
            with pytest.raises(BackendFault, match="did not answer /api/") as reported:
                await call
            assert reported.value.code == "backend_unreachable"

    on_jumping_clock(work)
