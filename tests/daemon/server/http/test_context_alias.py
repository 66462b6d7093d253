import json

import pytest

from innkeepd.policy.model import DERIVED_PREFIX, Model, derived_name, is_derived_from, without_derived
from innkeepd.simulator.answer import json_answer
from support.daemon import LLAMA8, QWEN
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio

MODEL = Model("hf.co/someone/Big-Model:Q4_K_M", "w", 1, digest="sha256:3f2a91bc77aa00")


def test_a_derived_name_is_one_that_ollama_takes_and_leads_back():
    name = derived_name(MODEL, 8192)
    assert name == f"{DERIVED_PREFIX}hf.co-someone-Big-Model-Q4_K_M-3f2a91bc77aa:8192-2"
    assert is_derived_from(name, MODEL)
    assert is_derived_from(name.removesuffix("-2"), MODEL)  # of an older innkeep, still in memory
    assert not is_derived_from(name, Model("other", "w", 1, digest="ff"))
    assert not is_derived_from("llama3.1:8b", MODEL)


async def test_it_is_made_once_for_each_context_and_found_again_after_a_restart():
    async with open_http_daemon() as server:
        for _ in range(2):
            assert (await server.http.post("/v1/completions", {"model": LLAMA8, "prompt": "x"})).status == 200
        assert len(server.daemon.asked("/api/create")) == 1
        server.app._aliases._made.clear()
        assert (await server.http.post("/v1/completions", {"model": LLAMA8, "prompt": "x"})).status == 200
        assert len(server.daemon.asked("/api/create")) == 1


async def test_one_that_somebody_removed_is_made_again():
    async with open_http_daemon() as server:
        body = {"model": LLAMA8, "prompt": "x"}
        await server.http.post("/v1/completions", body)
        (created,) = server.daemon.asked("/api/create")
        server.daemon.simulator.catalog._models.pop(created.body["model"])
        await server.http.post("/v1/completions", body)
        assert (await server.http.post("/v1/completions", body)).status == 200


async def test_one_that_cannot_be_made_is_told():
    async with open_http_daemon() as server:
        handle = server.daemon.simulator.handle

        async def full(method, path, body=None):
            return await handle(method, path, b'{"model":"x"}' if path == "/api/create" else body)

        server.daemon.simulator.handle = full
        answer = await server.http.post("/v1/completions", {"model": QWEN, "prompt": "x"})
        assert answer.status >= 400
        assert "could not derive" in answer.json["error"]["message"]


def test_no_text_names_a_derived_model():
    name = derived_name(MODEL, 8192)
    text = f"registry.ollama.ai/{name} does not support tools; model '{name.removesuffix('-2')}' not found"
    assert without_derived(text, "big") == "big does not support tools; model 'big' not found"


async def test_an_error_of_the_derived_model_names_the_one_that_was_asked_for():
    async with open_http_daemon() as server:
        handle = server.daemon.simulator.handle

        async def refusing(method, path, body=None):
            if path == "/v1/completions":
                text = f"registry.ollama.ai/{json.loads(body)['model']} does not support tools"
                return json_answer({"error": {"message": text}}, status=400)
            return await handle(method, path, body)

        server.daemon.simulator.handle = refusing
        answer = await server.http.post("/v1/completions", {"model": LLAMA8, "prompt": "x"})
        assert answer.json["error"]["message"] == f"{LLAMA8} does not support tools"
        assert DERIVED_PREFIX not in json.dumps(server.daemon.records[-1])


async def test_a_parent_that_was_removed_meanwhile_is_never_pulled():
    async with open_http_daemon() as server:
        handle = server.daemon.simulator.handle

        async def without_parent(method, path, body=None):
            if path == "/api/show":
                return json_answer({"error": "not found"}, status=404)
            return await handle(method, path, body)

        server.daemon.simulator.handle = without_parent
        answer = await server.http.post("/v1/completions", {"model": LLAMA8, "prompt": "x"})
        assert answer.status == 404
        assert server.daemon.asked("/api/create") == []
