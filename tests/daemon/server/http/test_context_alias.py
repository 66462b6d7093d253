import pytest

from innkeepd.policy.model import DERIVED_PREFIX, Model, derived_name, is_derived_from
from support.house import LLAMA8, QWEN
from support.inn import open_inn

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
    async with open_inn() as inn:
        for _ in range(2):
            assert (await inn.http.post("/v1/completions", {"model": LLAMA8, "prompt": "x"})).status == 200
        assert len(inn.house.asked("/api/create")) == 1
        inn.app._derived._made.clear()
        assert (await inn.http.post("/v1/completions", {"model": LLAMA8, "prompt": "x"})).status == 200
        assert len(inn.house.asked("/api/create")) == 1


async def test_one_that_somebody_removed_is_made_again():
    async with open_inn() as inn:
        body = {"model": LLAMA8, "prompt": "x"}
        await inn.http.post("/v1/completions", body)
        (created,) = inn.house.asked("/api/create")
        inn.house.simulator.catalog._models.pop(created.body["model"])
        await inn.http.post("/v1/completions", body)
        assert (await inn.http.post("/v1/completions", body)).status == 200


async def test_one_that_cannot_be_made_is_told():
    async with open_inn() as inn:
        handle = inn.house.simulator.handle

        async def full(method, path, body=None):
            return await handle(method, path, b'{"model":"x"}' if path == "/api/create" else body)

        inn.house.simulator.handle = full
        answer = await inn.http.post("/v1/completions", {"model": QWEN, "prompt": "x"})
        assert answer.status >= 400
        assert "could not derive" in answer.json["error"]["message"]
