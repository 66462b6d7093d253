"""Requests that run a model, through the whole daemon in memory."""

import json
import re

import anyio
import pytest

from innkeepd.server.http.proxy import Proxy
from innkeepd.simulator.catalog import LIBRARY
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import V17, V33
from support.daemon import DEEPSEEK, LLAMA8, LLAMA70, QWEN
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio


def quick():
    """A Mac whose loads end before the first heartbeat."""
    return Simulator(speed=10)


HELLO = [{"role": "user", "content": "hello there"}]
EMBEDDER = "nomic-embed-text:latest"
PATHS = ["/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"]


def body_for(path, model=LLAMA8, text="hello there", **more):
    shape = {"messages": [{"role": "user", "content": text}]}
    if path in ("/api/generate", "/v1/completions"):
        shape = {"prompt": text}
    if path == "/v1/responses":
        shape = {"input": text}
    return {"model": model, **shape, **more}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_equals_ollamas_own_but_for_times_and_ids(path, stream):
    async with open_http_daemon() as server:
        through = await server.http.post(path, body_for(path, stream=stream))
        assert through.status == 200, through
        assert through.headers["x-innkeep-model"] == LLAMA8
        assert through.headers["x-innkeep-role"] == "general"
        assert through.headers["x-innkeep-request"] == server.daemon.records[-1]["id"]
        body = body_for(path, stream=stream)
        if path.startswith("/api/"):
            body |= {
                "options": {
                    "num_ctx": server.daemon.control.catalog.context_of(server.daemon.control.weights_of(LLAMA8))
                }
            }
        answer = await server.daemon.simulator.handle("POST", path, json.dumps(body).encode())
        direct = await answer.read()
        assert _timeless(through.body) == _timeless(direct)
        assert through.headers["content-type"] == answer.headers["content-type"]


def _timeless(data):
    data = re.sub(rb'"(created_at|completed_at|created)":("[^"]*"|\d+)', b"", data)
    data = re.sub(rb'"[a-z_]*duration":\d+', b"", data)
    data = re.sub(rb'"max_output_tokens":(null|\d+)', b"", data)  # our limit is repeated where the client set none
    return re.sub(rb"(chatcmpl-|cmpl-|resp_|msg_)\w+", b"ID", data)


async def test_the_coder_answers_for_auto_under_the_name_that_was_asked_for():
    async with open_http_daemon(simulator=quick()) as server:
        answer = await server.chat("innkeep/auto", "debug this function").end()
        assert answer.headers["x-innkeep-model"] == QWEN
        assert answer.headers["x-innkeep-role"] == "coding"
        assert {line["model"] for line in answer.lines} == {"innkeep/auto"}
        assert answer.said.startswith(f"(A simulated answer of {QWEN}.)")


@pytest.mark.parametrize(("name", "model"), [("reasoning", DEEPSEEK), ("auto:latest", LLAMA8), ("general", LLAMA8)])
async def test_a_role_is_a_model_too(name, model):
    async with open_http_daemon() as server:
        answer = await server.http.post("/v1/chat/completions", {"model": name, "messages": HELLO})
        assert answer.json["model"] == name
        assert answer.headers["x-innkeep-model"] == model


async def test_the_context_and_the_keep_alive_are_ours_and_unknown_fields_go_on():
    async with open_http_daemon() as server:
        options = {"num_ctx": 32768, "num_gpu": 3, "temperature": 0.5}
        await server.chat(options=options, keep_alive="1h", never_heard_of={"a": [1]}, think=False).end()
        (seen,) = server.daemon.asked("/api/chat")
        limit = seen.body["options"].pop("num_predict")
        assert 2048 <= limit < 4096
        assert seen.body["options"] == {"temperature": 0.5, "num_ctx": 4096}
        assert seen.body["keep_alive"] == 1800
        assert seen.body["never_heard_of"] == {"a": [1]}
        assert seen.body["truncate"] is False
        assert ("shift" in seen.body) is server.daemon.control.backend.dialect.shifts_by_request
        assert server.daemon.loads() == [LLAMA8]


@pytest.mark.parametrize(("ollama", "read"), [(V17, 4096), (V33, 4096 - (4096 - 5) // 2)])
async def test_a_client_that_wants_its_prompt_cut_gets_it_cut(ollama, read):
    async with open_http_daemon(simulator=Simulator(ollama=ollama)) as server:
        answer = await server.chat(text="word " * 6000, truncate=True, stream=False).end()
        assert answer.json["prompt_eval_count"] == read


async def test_a_prompt_over_the_context_is_served_at_a_larger_one():
    async with open_http_daemon() as server:
        answer = await server.chat(text="word " * 6000, stream=False).end()
        assert answer.status == 200
        assert answer.json["prompt_eval_count"] > 4096
        assert [load.context for load in server.daemon.simulator.loads] == [4096, 8192]


@pytest.mark.parametrize("path", PATHS)
async def test_a_prompt_over_every_context_is_told_and_never_cut(path):
    async with open_http_daemon() as server:
        answer = await server.http.post(path, body_for(path, text="word " * 60_000))
        assert answer.status == 400, answer
        assert "context" in answer.body.decode()
        assert server.daemon.is_quiet()


async def test_v1_runs_at_our_context_without_a_reload_and_keeps_the_model_as_long_as_we_say():
    async with open_http_daemon() as server:
        await server.chat(stream=False).end()
        for path in PATHS[2:]:
            assert (await server.http.post(path, body_for(path))).status == 200
        assert [(load.name, load.context) for load in server.daemon.simulator.loads] == [(LLAMA8, 4096)]
        (created,) = server.daemon.asked("/api/create")
        assert created.body["from"] == LLAMA8
        assert created.body["parameters"] == {"num_ctx": 4096, "num_predict": 4096}
        runner = next(iter(server.daemon.simulator.runners.standing()))
        assert runner.shown_until() - anyio.current_time() > 1500


async def test_a_derived_model_is_nobodys_to_choose():
    async with open_http_daemon() as server:
        await server.http.post("/v1/chat/completions", {"model": LLAMA8, "messages": HELLO})
        (created,) = server.daemon.asked("/api/create")
        name = created.body["model"]
        assert name not in (await server.http.get("/api/tags")).body.decode()
        assert name not in (await server.http.get("/v1/models")).body.decode()
        assert (await server.chat(name).end()).status == 404


async def test_what_cannot_be_served_is_404_so_that_clients_move_on_at_once():
    async with open_http_daemon() as server:
        never = await server.chat(LLAMA70).end()
        assert never.status == 404
        unknown = await server.chat("nope").end()
        assert (unknown.status, unknown.json) == (404, {"error": "model 'nope' not found"})
        v1 = await server.http.post("/v1/chat/completions", {"model": "nope", "messages": HELLO})
        assert v1.status == 404
        assert v1.json["error"] == {
            "message": "model 'nope' not found", "type": "not_found_error", "param": None, "code": "unknown_model",
        }  # fmt: skip
        anthropic = await server.http.post("/v1/messages", {"model": "nope", "messages": HELLO, "max_tokens": 1})
        assert anthropic.json == {
            "type": "error", "error": {"type": "not_found_error", "message": "model 'nope' not found"},
        }  # fmt: skip
        assert server.daemon.loads() == []


async def test_a_waiting_client_that_streams_hears_of_us_every_ten_seconds():
    async with open_http_daemon() as server:
        server.daemon.simulator.fail("slow_load", LLAMA8, seconds=35.0)
        began = anyio.current_time()
        answer = await server.chat().end()
        beats = [at - began for at, chunk in answer.chunks if b'"content":""},"done":false' in chunk]
        assert [round(beat) for beat in beats[:3]] == [10, 20, 30]
        assert answer.lines[0]["model"] == LLAMA8
        assert answer.lines[0]["message"] == {"role": "assistant", "content": ""}
        assert answer.lines[-1]["done"] is True


async def test_a_heartbeat_of_generate_is_shaped_like_generate_and_of_v1_a_comment():
    async with open_http_daemon() as server:
        server.daemon.simulator.fail("slow_load", LLAMA8, seconds=15.0)
        answer = await server.http.post("/api/generate", {"model": LLAMA8, "prompt": "hi"})
        assert answer.lines[0].keys() == {"model", "created_at", "response", "done"}
        server.daemon.simulator.fail("slow_load", QWEN, seconds=15.0)
        answer = await server.http.post("/v1/chat/completions", {"model": QWEN, "messages": HELLO, "stream": True})
        assert answer.chunks[0][1] == f": {QWEN} is loading\n\n".encode()
        assert answer.events[-1] == "[DONE]"


async def test_a_client_that_does_not_stream_hears_nothing_before_the_answer():
    async with open_http_daemon() as server:
        server.daemon.simulator.fail("slow_load", LLAMA8, seconds=35.0)
        answer = await server.chat(stream=False).end()
        assert len(answer.lines) == 1


async def test_an_answer_that_is_not_streamed_may_take_longer_than_a_first_token():
    async with open_http_daemon(timeouts={"first_token": 20.0}) as server:
        server.daemon.simulator.fail("slow", LLAMA8, factor=100.0)
        answer = await server.chat(stream=False).end()
        assert answer.status == 200, answer


async def test_a_failure_before_the_first_byte_goes_to_the_next_candidate_even_after_a_heartbeat():
    async with open_http_daemon() as server:
        server.daemon.simulator.fail("slow_load", QWEN, seconds=15.0)
        server.daemon.simulator.fail("runner_dies_before", QWEN)
        answer = await server.chat("coding", "debug this").end()
        assert answer.status == 200
        assert answer.lines[-1]["done"] is True
        assert answer.said.startswith(f"(A simulated answer of {DEEPSEEK}.)")
        assert {line["model"] for line in answer.lines} == {"coding"}


async def test_a_failure_after_a_heartbeat_is_told_in_band_with_its_status():
    async with open_http_daemon() as server:
        server.daemon.simulator.fail("slow_load", LLAMA8, seconds=15.0)
        server.daemon.simulator.fail("runner_dies_before", LLAMA8)
        answer = await server.chat().end()
        assert answer.status == 200
        assert answer.lines[-1]["status"] == 500
        assert "unexpected EOF" in answer.lines[-1]["error"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", ["crash", "cut"])
async def test_an_answer_that_breaks_in_the_middle_ends_with_an_error_and_never_silently(path, how):
    async with open_http_daemon() as server:
        server.daemon.simulator.fail(how)
        answer = await server.http.post(path, body_for(path, stream=True))
        assert answer.status == 200
        assert len(answer.chunks) > 2
        last = answer.body.strip().splitlines()[-1].removeprefix(b"data: ")
        assert b'"error"' in last, answer
        assert server.daemon.records[-1]["outcome"] == "failed"
        assert server.daemon.is_quiet()


async def test_whoever_leaves_in_mid_answer_frees_the_model_within_a_second():
    async with open_http_daemon() as server:
        answer = server.chat()
        await answer.until(lambda it: len(it.chunks) > 3)
        answer.leave()
        await anyio.sleep(1.0)
        assert server.daemon.is_quiet()
        assert server.http.running == 0
        assert list(server.daemon.simulator.journal.left) == [LLAMA8]
        assert server.daemon.records[-1]["outcome"] == "cancelled"


async def test_whoever_leaves_while_waiting_causes_no_load():
    async with open_http_daemon() as server:
        first = server.chat(QWEN, "debug this")
        await first.until(lambda it: it.chunks)
        waiting = server.chat(DEEPSEEK, "why")
        await anyio.sleep(1)
        waiting.leave()
        await first.end()
        await anyio.sleep(30)
        assert server.daemon.loads() == [QWEN]


async def test_a_slow_reader_is_no_stall_of_the_model():
    async with open_http_daemon(timeouts={"stall": 5.0}) as server:
        answer = server.chat(options={"num_predict": 5})
        answer.is_full = True
        answer.seconds = 4.0
        assert (await answer.end()).lines[-1]["done"] is True
        assert server.daemon.records[-1]["outcome"] == "answered"


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
async def test_a_client_that_reads_nothing_is_cut_off_and_its_lease_given_to_the_next(path):
    async with open_http_daemon(timeouts={"stall": 5.0}) as server:
        stuck = server.http.start("POST", path, body_for(path, stream=True))
        await stuck.until(lambda it: it.chunks)
        stuck.is_full = True
        stuck.seconds = 1e9
        began = anyio.current_time()
        other = await server.chat(QWEN, "debug this").end()
        assert other.lines[-1]["done"] is True
        record = next(each for each in server.daemon.records if each["model"] != QWEN)
        assert (record["outcome"], record["code"]) == ("cancelled", "cancelled")
        assert "read nothing for 5 s" in record["message"]
        assert anyio.current_time() - began < 60
        assert not server.daemon.control.handles()


async def test_the_keep_alive_is_not_renewed_where_nothing_ended_it():
    async with open_http_daemon() as server:
        for _ in range(3):
            await server.http.post("/v1/chat/completions", body_for("/v1/chat/completions"))
            await anyio.sleep(3)
        assert len(server.daemon.asked("/api/generate", LLAMA8)) == 1, "the load, and no renewal"


async def test_the_keep_alive_is_renewed_behind_the_answer_and_nobody_waits_for_it(monkeypatch):
    monkeypatch.setattr(Proxy, "_stays", lambda *_: False)
    async with open_http_daemon(timeouts={"stall": 5.0}) as server:
        backend = server.daemon.control.backend
        load, asked = backend.load, anyio.Event()

        async def slow(*said, **more):
            asked.set()
            await anyio.sleep(8)
            await load(*said, **more)

        await server.http.post("/v1/chat/completions", body_for("/v1/chat/completions"))
        backend.load = slow
        asked = anyio.Event()
        answer = server.http.start("POST", "/v1/chat/completions", body_for("/v1/chat/completions"))
        await asked.wait()
        assert answer.json["choices"]
        assert answer.is_over
        answer.leave()
        await answer.returned.wait()
        assert [record["outcome"] for record in server.daemon.records] == ["answered", "answered"]


async def test_embeddings_come_in_every_shape():
    async with open_http_daemon(simulator=Simulator(models=LIBRARY)) as server:
        native = await server.http.post("/api/embed", {"model": EMBEDDER, "input": ["a", "b"]})
        assert len(native.json["embeddings"]) == 2
        old = await server.http.post("/api/embeddings", {"model": EMBEDDER, "prompt": "a"})
        assert len(old.json["embedding"]) == len(native.json["embeddings"][0])
        v1 = await server.http.post("/v1/embeddings", {"model": EMBEDDER, "input": "a", "encoding_format": "base64"})
        assert isinstance(v1.json["data"][0]["embedding"], str)
        assert v1.json["model"] == EMBEDDER
        assert [record["kind"] for record in server.daemon.records] == ["embed"] * 3


async def test_auto_embeds_nothing():
    async with open_http_daemon() as server:
        answer = await server.http.post("/api/embed", {"model": "auto", "input": "a"})
        assert answer.status == 400


async def test_tools_pass_over_a_candidate_that_cannot_use_them_without_loading_it():
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    async with open_http_daemon(simulator=quick()) as server:
        answer = await server.chat("reasoning", "why is it so?", tools=[tool]).end()
        assert answer.status == 200
        assert answer.headers["x-innkeep-model"] == QWEN
        assert server.daemon.loads() == [QWEN]


async def test_what_was_answered_is_recorded_with_its_tokens():
    async with open_http_daemon() as server:
        for path in PATHS:
            for stream in (True, False):
                more = {"stream_options": {"include_usage": True}} if path.startswith("/v1/c") else {}
                await server.http.post(path, body_for(path, stream=stream, **more))
                record = server.daemon.records[-1]
                assert record["completion_tokens"] > 5, (path, stream, record)
                assert record["prompt_tokens"] > 0


async def test_an_engine_that_is_away_is_told_as_502_in_time():
    simulator = Simulator()
    async with open_http_daemon(simulator=simulator) as server:
        simulator.stop()
        await anyio.sleep(5)
        answer = await server.chat().end()
        assert answer.status == 502, answer


WISHES = {
    "/api/chat": {"think": True},
    "/v1/chat/completions": {"reasoning_effort": "high"},
    "/v1/responses": {"reasoning": {"effort": "high"}},
    "/v1/messages": {"thinking": {"type": "enabled"}, "max_tokens": 99},
}


@pytest.mark.parametrize("path", WISHES)
async def test_a_roles_primary_that_cannot_think_answers_without_it(path):
    async with open_http_daemon() as server:
        answer = await server.http.post(path, body_for(path) | WISHES[path] | {"model": "coding"})
        assert answer.status == 200, answer
        assert server.daemon.records[-1]["model"] == QWEN
        assert server.daemon.asked(path)[-1].body.keys().isdisjoint(WISHES[path].keys() - {"max_tokens"})


@pytest.mark.parametrize(
    ("path", "agent", "sign"),
    [
        ("/v1/messages", "claude-cli/2.1.197 (external, cli)", b'event: ping\ndata: {"type":"ping"}\n\n'),
        ("/v1/responses", "codex_exec/0.169.0 (Debian)", b'event: keepalive\ndata: {"type":"keepalive"}\n\n'),
        ("/v1/responses", "OpenAI/JS 7.57.0", b" is loading\n\n"),
    ],
)
async def test_a_waiting_client_gets_the_sign_of_life_that_it_counts(path, agent, sign):
    async with open_http_daemon() as server:
        server.daemon.simulator.fail("slow_load", LLAMA8, seconds=15.0)
        answer = await server.http.ask("POST", path, body_for(path, stream=True), headers={"user-agent": agent})
        assert answer.chunks[0][1].startswith(b": llama3.1:8b is loading\n")
        assert answer.chunks[0][1].endswith(sign)
        assert answer.status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_a_client_of_nodes_that_does_not_stream_gets_its_head_before_300_seconds(path):
    async with open_http_daemon() as server:
        server.daemon.simulator.fail("slow", factor=400.0)
        headers = {"user-agent": "ollama-js/0.6.4 (x64 linux Node.js/v26.10.0)"}
        answer = await server.http.ask("POST", path, body_for(path, stream=False), headers=headers)
        assert answer.status == 200
        assert answer.chunks[0][1] == b" "
        assert answer.json


async def test_a_session_and_a_class_are_known_by_what_clients_send():
    async with open_http_daemon() as server:
        headers = {"x-claude-code-session-id": "s-1", "x-initiator": "agent"}
        tools = [{"name": "f", "input_schema": {}}]
        for more in ({"tools": tools}, {}):
            body = body_for("/v1/messages") | more
            assert (await server.http.ask("POST", "/v1/messages", body, headers=headers)).status == 200
        first, second = server.daemon.records[-2:]
        assert (first["session"], first["priority"], first["last"]) == ("s-1", "agent", False)
        assert second["last"] is True  # no tools: nobody goes on by himself
