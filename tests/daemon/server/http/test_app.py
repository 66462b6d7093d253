"""What is asked of the port besides running a model, and how it answers what it does not like."""

import json
import re
from pathlib import Path

import anyio
import pytest

from innkeepd.simulator.engine import Simulator
from support.daemon import DEEPSEEK, LLAMA8, LLAMA70, QWEN
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio

RECORDED = sorted((Path(__file__).parents[3] / "data" / "clients").glob("*/*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}"[:60])
async def test_every_recorded_request_of_a_real_client_is_answered(path):
    recorded = json.loads(path.read_bytes())
    async with open_http_daemon(simulator=Simulator(speed=20)) as server:
        headers = {name.lower(): value for name, value in recorded["headers"].items()}
        headers.pop("content-length", None)
        body = recorded["body"]
        answer = await server.http.ask(recorded["method"], recorded["path"].partition("?")[0], body, headers=headers)
        model = (body or {}).get("model") or (body or {}).get("name") or LLAMA8
        known = model in {QWEN, LLAMA8, DEEPSEEK, "auto"} or (model == LLAMA70 and recorded["path"] == "/api/show")
        assert answer.status == (200 if known else 404), answer
        assert answer.headers["x-innkeep-request"]
        if answer.status == 200 and (body or {}).get("stream") and "/v1/" not in recorded["path"]:
            assert answer.lines[-1]["done"] is True


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_it_says_that_ollama_is_running(method):
    async with open_http_daemon() as server:
        assert (await server.http.ask(method, "/")).body == b"Ollama is running"


async def test_a_slash_at_the_end_of_a_path_changes_nothing():
    async with open_http_daemon() as server:
        assert (await server.http.get("/api/tags/")).status == 200
        assert (await server.http.get("/v1/models/")).json["object"] == "list"
        assert (await server.http.post("/api/show/", {"model": "auto"})).status == 200


async def test_a_load_and_an_unload_go_through_the_keeper():
    async with open_http_daemon() as server:
        loaded = await server.http.post("/api/generate", {"model": LLAMA8, "keep_alive": "1h"})
        assert loaded.json | {"created_at": ""} == {
            "model": LLAMA8, "created_at": "", "response": "", "done": True, "done_reason": "load",
        }  # fmt: skip
        assert [each["kind"] for each in server.daemon.records] == ["load"]
        assert server.daemon.simulator.resident == [LLAMA8]
        out = await server.http.post("/api/chat", {"model": LLAMA8, "messages": [], "keep_alive": 0})
        assert out.json["done_reason"] == "unload"
        assert out.json["message"] == {"role": "assistant", "content": ""}
        assert server.daemon.simulator.resident == []


async def test_an_unload_waits_for_the_answer_that_is_being_written():
    async with open_http_daemon() as server:
        answer = server.chat()
        await answer.until(lambda it: it.chunks)
        out = await server.http.post("/api/generate", {"model": LLAMA8, "keep_alive": 0})
        assert out.json["done_reason"] == "unload"
        assert answer.is_over
        assert answer.lines[-1]["done"] is True
        assert server.daemon.simulator.resident == []


@pytest.mark.parametrize(("model", "status"), [("nope", 404), ("auto", 400)])
async def test_an_unload_of_what_is_no_model_is_told(model, status):
    async with open_http_daemon() as server:
        assert (await server.http.post("/api/generate", {"model": model, "keep_alive": 0})).status == status


async def test_an_unload_that_fails_is_told():
    async with open_http_daemon() as server:
        await server.http.post("/api/generate", {"model": LLAMA8})
        server.daemon.simulator.fail("unload_stuck", LLAMA8)
        answer = await server.http.post("/api/generate", {"model": LLAMA8, "keep_alive": 0})
        assert answer.status == 500
        assert "did not leave memory" in answer.json["error"]


async def test_a_load_of_an_unknown_model_is_404():
    async with open_http_daemon() as server:
        assert (await server.http.post("/api/generate", {"model": "nope"})).status == 404
        odd = await server.http.post("/api/generate", {"model": LLAMA8}, headers={"x-innkeep-priority": "vip"})
        assert odd.status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/api/chat", 405),
        ("POST", "/api/tags", 405),
        ("DELETE", "/api/delete", 403),
        ("POST", "/api/create", 403),
        ("POST", "/api/copy", 403),
        ("POST", "/api/push", 403),
        ("POST", "/api/blobs/sha256:" + "0" * 64, 403),
    ],
)
async def test_what_is_not_served_is_told_in_the_apis_shape(method, path, status):
    async with open_http_daemon() as server:
        answer = await server.http.ask(method, path, {"model": LLAMA8})
        assert answer.status == status
        assert isinstance(answer.json["error"], dict if path.startswith("/v1") else str)
        assert [each for each in server.daemon.asked(path) if each.method == method] == []


async def test_a_body_over_the_cap_is_refused_before_it_is_read():
    async with open_http_daemon(http={"max_body": 1000}) as server:
        body = b'{"model":"x"}' + b" " * 2000
        assert (await server.http.post("/api/chat", body)).status == 413
        unsaid = await server.http.post("/api/chat", body, headers={"content-length": None}, cut=300)
        assert unsaid.status == 413


async def test_a_length_of_thousands_of_digits_is_refused_and_leading_zeros_count_nothing():
    async with open_http_daemon() as server:
        answer = await server.http.post("/api/chat", b"{}", headers={"content-length": "9" * 5000})
        assert answer.status == 413
        assert (await server.http.post("/api/chat", b"{}", headers={"content-length": "0" * 5000 + "2"})).status == 400


@pytest.mark.parametrize("name", ["host", "origin", "authorization", "x-api-key", "sec-fetch-site"])
async def test_what_a_request_is_judged_by_comes_once(name):
    async with open_http_daemon() as server:
        heard = []

        async def send(message):
            heard.append(message)

        twice = [(b"host", b"localhost"), (b"x-a", b"1"), (b"x-a", b"2"), *[(name.encode(), b"localhost")] * 2]
        await server.app(
            {"type": "http", "method": "GET", "path": "/api/tags", "headers": twice}, anyio.sleep_forever, send
        )
        assert heard[0]["status"] == 400


async def test_only_http_1_0_leaves_its_host_out():
    async with open_http_daemon() as server:
        for version, status in (("1.1", 400), ("1.0", 200)):
            heard = []

            async def send(message, heard=heard):
                heard.append(message)

            scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "http_version": version}
            await server.app(scope, anyio.sleep_forever, send)
            assert heard[0]["status"] == status


async def test_a_body_that_stops_is_given_up_and_a_leaving_client_forgotten():
    async with open_http_daemon() as server:
        answer = server.http.start("POST", "/api/chat", b"{" * 10, cut=5, headers={"content-length": "99"})
        answer.leave()
        assert (await answer.end()).status == 400

        async def silent():
            await anyio.sleep_forever()

        heard = []

        async def send(message):
            heard.append(message)

        headers = [(b"host", b"localhost")]
        await server.app({"type": "http", "method": "POST", "path": "/api/chat", "headers": headers}, silent, send)
        assert heard[0]["status"] == 408


async def test_a_token_is_asked_for_and_a_page_gets_its_cors_headers():
    async with open_http_daemon(http={"token": "s3cret"}) as server:
        assert (await server.http.get("/api/tags")).status == 401
        page = {"origin": "http://localhost:3000"}
        assert (await server.http.ask("OPTIONS", "/api/chat", headers=page)).status == 204
        answer = await server.http.get("/api/tags", headers=page | {"authorization": "Bearer s3cret"})
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
        refused = await server.http.get("/api/tags", headers={"origin": "https://evil.example"})
        assert refused.status == 403
        assert "access-control-allow-origin" not in refused.headers


async def test_a_pull_is_passed_through_with_its_progress_and_the_model_is_known_at_once():
    async with open_http_daemon() as server:
        answer = await server.http.post("/api/pull", {"model": "llama3.2:1b"})
        statuses = [line["status"] for line in answer.lines]
        assert statuses[0] == "pulling manifest"
        assert statuses[-1] == "success"
        assert (await server.chat("llama3.2:1b").end()).status == 200


async def test_what_the_configuration_allows_is_passed_through():
    async with open_http_daemon(http={"allow_admin": ("create",)}) as server:
        body = {"model": "mine", "from": LLAMA8, "parameters": {"temperature": 0}, "stream": False}
        assert (await server.http.post("/api/create", body)).json == {"status": "success"}
        assert (await server.chat("mine").end()).status == 200


async def test_a_pull_without_an_engine_is_told():
    async with open_http_daemon() as server:
        server.daemon.simulator.stop()
        assert (await server.http.post("/api/pull", {"model": "llama3.2:1b"})).status == 502


async def test_a_fault_of_our_own_is_told_and_warned_of_and_the_port_lives_on():
    async with open_http_daemon() as server:
        dispatcher = server.daemon.app.dispatcher
        begin, dispatcher.begin = dispatcher.begin, None
        answer = await server.chat().end()
        assert answer.status == 500
        assert re.search("fault of innkeepd itself", answer.json["error"])
        assert len(server.warnings) == 1
        server.warnings.clear()
        dispatcher.begin = begin
        model_list, server.app._looks["/api/ps"] = server.app._looks["/api/ps"], None
        assert (await server.http.get("/api/ps")).status == 500
        server.warnings.clear()
        server.app._looks["/api/ps"] = model_list
        assert (await server.http.get("/api/ps")).status == 200
