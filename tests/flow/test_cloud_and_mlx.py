"""Models that Ollama lists but that are no GGUF in this memory: cloud models, and those of its MLX engine."""

import msgspec
import pytest

from innkeep import wire
from innkeepd.backends.ollama import OllamaBackend
from innkeepd.config.schema import RoleConfig, default_roles
from innkeepd.policy.model import GIB
from innkeepd.residency import snapshot
from innkeepd.server.http.app import HttpApp
from innkeepd.simulator.catalog import LLAMA8 as LLAMA8_PULLED
from innkeepd.simulator.catalog import QWEN as QWEN_PULLED
from innkeepd.simulator.engine import Simulator
from support.asgi import asgi_client
from support.daemon import LLAMA8, QWEN, config, mock_clock, open_daemon

pytestmark = pytest.mark.anyio

CLOUD = "gpt-oss:120b-cloud"
HOST = "https://ollama.com:11434"
HELLO = [{"role": "user", "content": "hello there"}]


@pytest.fixture
def anyio_backend():
    return mock_clock()


def altered(model, **changes):
    return msgspec.structs.replace(model, **changes)


@pytest.fixture
def model_list(monkeypatch):
    """An Ollama that lists an 8B, a 32B that its MLX engine runs, and a cloud model."""
    pulled = OllamaBackend.pulled

    async def reported(backend):
        marks = {CLOUD: {"host": HOST, "size": 0}, QWEN: {"format": "safetensors"}}
        return [altered(model, **marks.get(model.name, {})) for model in await pulled(backend)]

    monkeypatch.setattr(OllamaBackend, "pulled", reported)
    cloud = altered(LLAMA8_PULLED, name=CLOUD, size=384, weights="", digest="c" * 64, load_seconds=0.0)
    return Simulator(models=[LLAMA8_PULLED, QWEN_PULLED, cloud])


def asked_of(simulator, model):
    return [each for each in simulator.requests if (each.body or {}).get("model") == model and each.path != "/api/show"]


async def test_a_cloud_model_answers_through_every_door_and_is_never_loaded(model_list):
    general = RoleConfig(primary=CLOUD, fallbacks=(LLAMA8,))
    said = config(roles=default_roles() | {"general": general})
    async with open_daemon(said, simulator=model_list) as daemon:
        client = daemon.connect()
        done = await client.chat_to_end("hi", model=CLOUD)
        assert isinstance(done, wire.Done), done
        assert (done.model, [each.model for each in done.attempts]) == (CLOUD, [CLOUD])
        await client.chat_to_end("hello there")
        async with asgi_client(HttpApp(said.http, daemon.app.dispatcher, daemon.control, warn=print)) as http:
            for path in ("/api/chat", "/v1/chat/completions", "/v1/messages"):
                reported = await http.post(path, {"model": CLOUD, "messages": HELLO, "stream": False, "max_tokens": 9})
                assert (reported.status, reported.headers["x-innkeep-model"]) == (200, CLOUD)
            for keep_alive in (60, 0):
                reported = await http.post("/api/generate", {"model": CLOUD, "keep_alive": keep_alive, "stream": False})
                assert reported.status == 200
        status = await client.status()
        assert (status.resident, status.changing) == ([], [])
        assert daemon.control.scheduler.ledger.used() == 0
        requests = asked_of(daemon.simulator, CLOUD)
        assert {each.path for each in requests} == {"/api/chat", "/v1/chat/completions", "/v1/messages"}
        assert not any("num_ctx" in (each.body.get("options") or {}) or "keep_alive" in each.body for each in requests)


async def test_a_cloud_model_is_told_as_one_and_one_that_is_not_pulled_stays_refused(model_list):
    async with open_daemon(simulator=model_list) as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=CLOUD)
        found = {each.name: each for each in snapshot.models(daemon.control, daemon.app.config)}[CLOUD]
        assert (found.fit, found.size, found.footprint) == ("fits", 0, 0)
        assert found.reason.startswith(f"a cloud model: prompts go to {HOST}; it takes no memory of this machine")
        assert (await client.chat_to_end("hi", model="deepseek-v3.1:671b-cloud")).code == "unknown_model"


async def test_a_cloud_model_that_fails_rests_like_an_engine_elsewhere_but_not_for_this_machines_ollama(model_list):
    async with open_daemon(simulator=model_list) as daemon:
        client, control = daemon.connect(), daemon.control
        await client.chat_to_end("hi", model=CLOUD)
        weights = control.weights_of(CLOUD)
        daemon.simulator.fail("runner_dies_before", CLOUD)
        done = await client.chat_to_end("hi", model=CLOUD, fallbacks=[LLAMA8])
        assert done.model == LLAMA8
        assert weights in control.scheduler.cooling
        assert any(CLOUD in text for text in snapshot.warnings(control))
        found = {each.name: each for each in snapshot.models(control, daemon.app.config)}[CLOUD]
        assert (found.fit, found.reason.startswith(f"{CLOUD} is not used for")) == ("missing", True)
        control.scheduler.cooling.clear()
        daemon.simulator.stop()
        await client.chat_to_end("hi", model=CLOUD)
        assert weights not in control.scheduler.cooling


async def test_an_mlx_model_has_no_derived_names_and_no_larger_context(model_list):
    async with open_daemon(simulator=model_list) as daemon:
        await daemon.control.monitor.ready.wait()
        catalog = daemon.control.catalog
        weights = daemon.control.weights_of(QWEN)
        assert catalog.context_of(weights) == QWEN_PULLED.max_context
        assert (catalog.larger_context(weights, 4096, 90_000), catalog.largest_context(weights)) == (
            None,
            QWEN_PULLED.max_context,
        )
        async with asgi_client(HttpApp(config().http, daemon.app.dispatcher, daemon.control, warn=print)) as http:
            reported = await http.post("/v1/chat/completions", {"model": QWEN, "messages": HELLO, "stream": False})
            assert reported.status == 200
        assert [each for each in daemon.simulator.requests if each.path == "/api/create"] == []


async def test_an_mlx_models_footprint_is_the_most_that_was_seen_of_it(model_list, monkeypatch):
    running = OllamaBackend.running
    grown = [20 * GIB]

    async def reported(backend):
        return [altered(each, size=grown[-1], context=4096) for each in await running(backend)]

    monkeypatch.setattr(OllamaBackend, "running", reported)
    async with open_daemon(simulator=model_list) as daemon:
        client, control = daemon.connect(), daemon.control
        await client.chat_to_end("hi", model=QWEN)
        for size in (25 * GIB, 22 * GIB):
            grown.append(size)
            await control.monitor.watch.observe_now()
        weights = control.weights_of(QWEN)
        resident = control.scheduler.ledger.residents[weights]
        assert (resident.footprint, resident.context) == (25 * GIB, QWEN_PULLED.max_context)
        found = {each.name: each for each in snapshot.models(control, daemon.app.config)}[QWEN]
        assert found.footprint == 25 * GIB
        assert "MLX: Ollama does not obey num_ctx" in found.reason
        grown.append(21 * GIB)
        await client.chat_to_end("hi", model=LLAMA8)
        spec = next(each for each in control.catalog.specs() if each.weights == weights)
        assert spec.footprints == ((QWEN_PULLED.max_context, 25 * GIB),)
