"""Engines on other machines in a role's chain: first where they answer, never in the way where they don't."""

import anyio
import httpx2
import pytest

from innkeep import wire
from innkeepd.backends.ollama import OllamaBackend
from innkeepd.backends.openai import OpenAIBackend
from innkeepd.config.schema import BackendConfig, BackendTimeouts, RoleConfig, default_roles
from innkeepd.simulator.catalog import LLAMA8 as LLAMA8_PULLED
from innkeepd.simulator.engine import Simulator
from support.daemon import LLAMA8, LLAMA70, QWEN, config, open_daemon
from support.remote import RemoteEngine, answer, delta
from support.transport import MemoryTransport

pytestmark = pytest.mark.anyio

FAR = "cluster/llama3.3"
TOKEN = "sk-very-secret"
CODE = "debug this function"


def said(*fallbacks, limit=4, **timeouts):
    """A general role whose first choice lives on the cluster."""
    chain = RoleConfig(primary=FAR, fallbacks=fallbacks or (LLAMA8,))
    cluster = BackendConfig(
        name="cluster",
        url="http://cluster.test:8000",
        token=TOKEN,
        models=("llama3.3",),
        limit=limit,
        timeouts=BackendTimeouts(**timeouts),
    )
    return config(roles=default_roles() | {"general": chain}, backends=(cluster,))


def far(engine):
    engine.token = TOKEN
    return {"cluster": OpenAIBackend(engine)}


def turns(end):
    if isinstance(end, wire.Done):
        return [(each.model, each.code) for each in end.attempts]
    return [(each["model"], each["code"]) for each in end.detail["attempts"]]


async def test_a_70b_that_never_fits_here_is_first_in_the_chain_and_evicts_nobody():
    engine = RemoteEngine()
    async with open_daemon(said(), backends=far(engine)) as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        number = await client.chat("hello there")
        done = await client.end(number)
        assert (done.model, client.text(number)) == (FAR, "from the cluster")
        assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (5, 3)
        assert daemon.loads() == [QWEN]
        assert [resident.name for resident in (await client.status()).resident] == [QWEN]
        assert engine.chats[0]["model"] == "llama3.3"


async def test_what_never_fits_here_falls_over_to_the_cluster():
    engine = RemoteEngine()
    async with open_daemon(said(), backends=far(engine)) as daemon:
        done = await daemon.connect().chat_to_end("hi", model=LLAMA70, fallbacks=[FAR])
        assert turns(done) == [(LLAMA70, "never_fits"), (FAR, None)]
        assert daemon.loads() == []


async def test_an_ollama_that_is_down_falls_over_to_the_cluster():
    engine = RemoteEngine()
    async with open_daemon(said(), backends=far(engine)) as daemon:
        await anyio.sleep(1)
        daemon.simulator.stop()
        done = await daemon.connect().chat_to_end("hi", model=QWEN, fallbacks=[FAR])
        assert done.model == FAR
        assert {code for _, code in turns(done)} == {"backend_unreachable", None}


async def test_a_cluster_that_is_away_from_the_start_costs_no_request_its_connect_timeout():
    engine = RemoteEngine()
    engine.down = 3.0
    async with open_daemon(said(), backends=far(engine)) as daemon:
        await anyio.sleep(5)
        client = daemon.connect()
        await client.chat_to_end("hi")
        asked = anyio.current_time()
        done = await client.chat_to_end("hi again")
        assert (done.model, anyio.current_time() - asked < 3) == (LLAMA8, True)
        assert turns(done)[0] == (FAR, "backend_unreachable")
        assert engine.chats == []


async def test_a_cluster_that_goes_away_is_left_alone_and_serves_the_moment_it_is_back():
    engine = RemoteEngine()
    async with open_daemon(said(), backends=far(engine)) as daemon:
        client = daemon.connect()
        assert (await client.chat_to_end("hi")).model == FAR
        engine.down = 0.0
        done = await client.chat_to_end("hi")
        assert done.model == LLAMA8
        assert turns(done) == [(FAR, "backend_unreachable")] * 3 + [(LLAMA8, None)]
        assert turns(await client.chat_to_end("hi")) == [(FAR, "backend_unreachable"), (LLAMA8, None)]
        assert len(engine.chats) == 4
        status = await client.status()
        assert [FAR in text and "connection refused" in text for text in status.warnings] == [True]
        engine.down = None
        await anyio.sleep(16)
        assert (await client.chat_to_end("hi")).model == FAR
        assert (await client.status()).warnings == []


async def test_one_that_is_slow_to_be_unreachable_is_not_waited_for_three_times():
    engine = RemoteEngine()
    async with open_daemon(said(), backends=far(engine)) as daemon:
        await anyio.sleep(1)
        engine.down = 3.0
        done = await daemon.connect().chat_to_end("hi")
        assert turns(done) == [(FAR, "backend_unreachable"), (LLAMA8, None)]


@pytest.mark.parametrize(
    ("chunks", "code"),
    [
        ([httpx2.ReadError("broke")], "backend_unreachable"),
        ([delta(role="assistant", content=""), b""], "backend_error"),
        ([b'data: {"error": {"message": "the replica died"}}\n\n'], "backend_error"),
        ([200], "first_token_timeout"),
    ],
)
async def test_one_that_dies_before_its_first_token_is_followed_by_the_local_model(chunks, code):
    engine = RemoteEngine()
    engine.chunks = chunks
    async with open_daemon(said(first_token=30.0), backends=far(engine)) as daemon:
        client = daemon.connect()
        number = await client.chat("hi")
        done = await client.end(number)
        assert done.model == LLAMA8
        assert turns(done)[0] == (FAR, code)
        assert client.text(number).startswith(f"(A simulated answer of {LLAMA8}.)")


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (httpx2.ReadError("broke"), "backend_unreachable"),
        (100, "stalled"),
        (b"", "backend_error"),
    ],
)
async def test_one_that_dies_in_mid_answer_is_told_honestly_and_may_serve_the_next(last, code):
    engine = RemoteEngine()
    engine.chunks = [*answer("half ", "an ")[:3], last]
    async with open_daemon(said(stall=20.0), backends=far(engine)) as daemon:
        client = daemon.connect()
        number = await client.chat("hi")
        error = await client.end(number)
        assert (error.code, error.detail["partial"], client.text(number)) == (code, True, "half an ")
        assert daemon.loads() == []
        engine.chunks = answer("whole")
        assert (await client.chat_to_end("hi")).model == FAR


@pytest.mark.parametrize(
    ("status", "text", "code", "cools"),
    [
        (401, "no such key", "backend_error", True),
        (404, "The model `llama3.3` does not exist", "unknown_model", True),
        (429, "too many requests", "queue_full", False),
        (400, "maximum context length is 4096 tokens", "context_overflow", False),
        (500, "Internal Server Error", "backend_error", True),
    ],
)
async def test_refusals_go_on_to_the_local_model(status, text, code, cools):
    engine = RemoteEngine()
    async with open_daemon(said(), backends=far(engine)) as daemon:
        client = daemon.connect()
        engine.refuse(status, text)
        done = await client.chat_to_end("hi")
        assert (done.model, turns(done)[0]) == (LLAMA8, (FAR, code))
        await client.chat_to_end("hi")
        assert len(engine.chats) == (1 if cools else 2)


async def test_no_more_than_its_limit_are_asked_at_once_and_the_others_wait():
    engine = RemoteEngine()
    engine.chunks = answer("one", "two", "three")
    engine.gap = 2.0
    async with open_daemon(said(limit=2), backends=far(engine)) as daemon:
        clients = [daemon.connect() for _ in range(5)]
        asked = [await client.chat("hi") for client in clients]
        ends = [await client.end(number) for client, number in zip(clients, asked, strict=True)]
        assert {end.model for end in ends} == {FAR}
        assert engine.most == 2
        assert daemon.loads() == []


async def test_while_the_memory_is_on_hold_the_cluster_serves():
    engine = RemoteEngine()
    async with open_daemon(said(), backends=far(engine)) as daemon:
        client = daemon.connect()
        await client.answer(wire.Hold(id=0, seconds=600))
        assert (await client.chat_to_end("hi")).model == FAR
        assert (await client.chat_to_end("hi", model=LLAMA8, fallbacks=[FAR])).model == FAR
        assert daemon.loads() == []


async def test_a_client_that_leaves_frees_its_place_on_the_cluster():
    engine = RemoteEngine()
    engine.gap = 5.0
    async with open_daemon(said(limit=1), backends=far(engine)) as daemon:
        client = daemon.connect()
        number = await client.chat("hi")
        await client.until(number, wire.Started)
        await client.cancel(number)
        await anyio.sleep(0.1)
        assert engine.open_answers == 0
        assert daemon.is_quiet()


async def test_models_tell_of_the_cluster_and_why_it_is_not_used():
    engine = RemoteEngine()
    async with open_daemon(said(), backends=far(engine)) as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi")
        (model,) = [each for each in (await client.answer(wire.ModelsAsk(id=0))).models if each.name == FAR]
        assert (model.fit, model.footprint, model.roles) == ("fits", 0, ["general"])
        engine.refuse(500, "boom")
        await client.chat_to_end("hi")
        (model,) = [each for each in (await client.answer(wire.ModelsAsk(id=0))).models if each.name == FAR]
        assert (model.fit, model.reason) == ("missing", f"{FAR} is not used for 55 s: boom")  # a load took five
        assert (await client.answer(wire.RouteAsk(id=0, text="hi"))).model == LLAMA8


async def test_without_a_pulled_model_the_cluster_alone_is_enough():
    engine = RemoteEngine()
    async with open_daemon(said(), backends=far(engine), simulator=Simulator(models=[])) as daemon:
        assert (await daemon.connect().chat_to_end("hi")).model == FAR


async def test_a_model_that_the_backend_is_not_said_to_have_is_unknown_and_says_which_it_has():
    engine = RemoteEngine()
    async with open_daemon(said(), backends=far(engine)) as daemon:
        error = await daemon.connect().chat_to_end("hi", model="cluster/mistral")
        assert error.code == "unknown_model"
        assert error.message == "cluster/mistral is not among the models of the backend cluster: llama3.3"
        assert engine.chats == []


async def test_another_macs_ollama_serves_by_its_own_api_and_keeps_its_models_as_it_likes():
    studio = Simulator()
    backends = {"cluster": OllamaBackend(MemoryTransport(studio), elsewhere=True)}
    chain = RoleConfig(primary="cluster/llama3.1:8b", fallbacks=(LLAMA8,))
    both = config(roles=default_roles() | {"general": chain}, backends=(BackendConfig(name="cluster", url="http://s"),))
    async with open_daemon(both, backends=backends) as daemon:
        client = daemon.connect()
        number = await client.chat("hi")
        done = await client.end(number)
        assert (done.model, daemon.loads()) == ("cluster/llama3.1:8b", [])
        assert client.text(number).startswith(f"(A simulated answer of {LLAMA8}.)")
        (sent,) = [each.body for each in studio.requests if each.path == "/api/chat"]
        assert ("keep_alive" in sent, sent["options"]) == (False, {})
        studio.stop()
        assert (await client.chat_to_end("hi")).model == LLAMA8


async def test_embeddings_come_from_the_cluster_too():
    engine = RemoteEngine()
    engine.pages["/v1/embeddings"] = (200, b'{"data":[{"embedding":[1,2]}]}')
    async with open_daemon(said(), backends=far(engine)) as daemon:
        found = await daemon.connect().answer(wire.Embed(id=0, model=FAR, input="a"))
        assert (found.model, found.embeddings) == (FAR, [[1.0, 2.0]])


async def test_the_token_is_in_no_record_reply_or_repr():
    engine = RemoteEngine()
    backends = far(engine)
    async with open_daemon(said(), backends=backends, simulator=Simulator(models=[LLAMA8_PULLED])) as daemon:
        client = daemon.connect()
        engine.refuse(500, f"Received API key {TOKEN}")
        done = await client.chat_to_end("hi")
        status = await client.status()
        shown = repr([daemon.records, done, status, daemon.app.config, backends, daemon.control, client.heard])
        assert "Received API key ***" in shown
        assert TOKEN not in shown
