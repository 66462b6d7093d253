import json

import anyio
import pytest

from support.daemon import LLAMA8, QWEN
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio

VIRTUAL = ["auto", "coding", "reasoning", "general"]


class Slow:
    """Lets the engine take its time before it answers anything."""

    def __init__(self, server, seconds):
        handle = server.daemon.simulator.handle

        async def slowly(*asked):
            await anyio.sleep(seconds)
            return await handle(*asked)

        server.daemon.simulator.handle = slowly


async def test_tags_are_ollamas_own_and_the_virtual_ones_behind():
    async with open_http_daemon() as server:
        lines = (await server.http.get("/api/tags")).json["models"]
        direct = await (await server.daemon.simulator.handle("GET", "/api/tags")).read()
        assert lines[:-4] == json.loads(direct)["models"]
        assert [line["name"] for line in lines[-4:]] == VIRTUAL
        assert len({line["digest"] for line in lines}) == len(lines)
        assert all(len(line["digest"]) == 64 for line in lines)
        assert lines[-4]["details"]["context_length"] == 16384


@pytest.mark.parametrize("path", ["/api/tags", "/api/ps", "/v1/models", "/api/version"])
async def test_lists_answer_within_a_tenth_of_a_second_whatever_the_engine_does(path):
    async with open_http_daemon() as server:
        await server.http.post("/api/generate", {"model": LLAMA8})
        before = (await server.http.get(path)).json
        Slow(server, 60.0)
        began = anyio.current_time()
        assert (await server.http.get(path)).json == before
        assert anyio.current_time() - began < 0.1


async def test_a_show_is_kept_by_digest_and_answers_at_once():
    async with open_http_daemon() as server:
        await server.app.model_list.warm_up()
        Slow(server, 60.0)
        began = anyio.current_time()
        shown = await server.http.post("/api/show", {"name": QWEN})
        assert "tools" in shown.json["capabilities"]
        assert anyio.current_time() - began < 0.1


async def test_a_show_that_is_not_kept_is_asked_for():
    async with open_http_daemon() as server:
        shown = await server.http.post("/api/show", {"model": QWEN, "system": "be brief"})
        assert shown.status == 200
        unknown = await server.http.post("/api/show", {"model": "nope"})
        assert (unknown.status, unknown.json) == (404, {"error": "model 'nope:latest' not found"})
        assert (await server.http.post("/api/show", {})).status == 400
        Slow(server, 60.0)
        assert (await server.http.post("/api/show", {"model": "nope"})).status == 504


async def test_lists_outlive_an_engine_that_is_away():
    async with open_http_daemon() as server:
        await server.daemon.control.pulled.refresh()
        server.daemon.simulator.stop()
        names = [line["name"] for line in (await server.http.get("/api/tags")).json["models"]]
        assert names[-4:] == VIRTUAL
        assert LLAMA8 in names
        assert (await server.http.get("/api/ps")).json == {"models": []}
        assert (await server.http.post("/api/show", {"model": "nope"})).status == 502


async def test_a_virtual_model_is_shown_with_what_would_serve_it():
    async with open_http_daemon() as server:
        await server.daemon.control.pulled.refresh()
        shown = (await server.http.post("/api/show", {"model": "innkeep/coding"})).json
        context = shown["model_info"]["innkeep.context_length"]
        assert context == 16384  # 8192 when it is loaded, and more for a prompt that needs it
        assert f"num_ctx                        {context}" in shown["parameters"].splitlines()
        assert shown["capabilities"] == ["completion", "tools"]  # its fallback could think, its primary cannot
        general = (await server.http.post("/api/show", {"model": "general:latest"})).json
        assert general["capabilities"] == ["completion", "tools"]
        auto = (await server.http.post("/api/show", {"name": "auto"})).json
        assert auto["capabilities"] == ["completion", "tools"]


async def test_models_are_listed_and_looked_up_by_any_spelling():
    async with open_http_daemon() as server:
        listed = (await server.http.get("/v1/models")).json
        assert listed["object"] == "list"
        assert listed["data"][0]["owned_by"] == "library"
        assert listed["data"][0]["created"] > 1_700_000_000
        assert listed["data"][-1] == {
            "id": "general", "object": "model", "created": 1767225600, "owned_by": "innkeep",
        }  # fmt: skip
        assert (await server.http.get(f"/v1/models/{LLAMA8}")).json["id"] == LLAMA8
        assert (await server.http.get("/v1/models/innkeep/auto")).json["id"] == "innkeep/auto"
        missing = await server.http.get("/v1/models/nope")
        assert (missing.status, missing.json["error"]["code"]) == (404, "unknown_model")


async def test_a_runner_that_was_started_under_a_derived_name_goes_by_its_parents():
    async with open_http_daemon() as server:
        await server.http.post("/v1/completions", {"model": LLAMA8, "prompt": "x"})
        (created,) = server.daemon.asked("/api/create")
        await server.http.post("/api/generate", {"model": LLAMA8, "keep_alive": 0})
        body = {"model": created.body["model"], "stream": False}
        await server.daemon.simulator.handle("POST", "/api/generate", json.dumps(body).encode())
        assert server.daemon.simulator.resident == [created.body["model"]]
        (line,) = (await server.http.get("/api/ps")).json["models"]
        assert line["name"] == LLAMA8
        await anyio.sleep(3)
        answer = await server.chat().end()
        assert answer.status == 200
        assert len(server.daemon.simulator.loads) == 2
