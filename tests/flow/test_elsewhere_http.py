"""Tools that talk to the port as to Ollama or OpenAI, answered by an engine on another machine."""

import json
from contextlib import asynccontextmanager

import pytest

from innkeepd.backends.openai import OpenAIBackend
from innkeepd.config.schema import BackendConfig, RoleConfig, default_roles
from innkeepd.server.http.app import HttpApp
from support.asgi import asgi_client
from support.daemon import LLAMA8, config, open_daemon
from support.remote import JSON, RemoteEngine

pytestmark = pytest.mark.anyio

FAR = "cluster/llama3.3"
HELLO = [{"role": "user", "content": "hello there"}]


@asynccontextmanager
async def open_port(engine):
    """The HTTP port of a daemon whose general role lives on the cluster."""
    general = RoleConfig(primary=FAR, fallbacks=(LLAMA8,))
    cluster = BackendConfig(name="cluster", url=engine.url, models=("llama3.3",))
    said = config(roles=default_roles() | {"general": general}, backends=(cluster,))
    engine.token = "sk-ours"
    async with open_daemon(said, backends={"cluster": OpenAIBackend(engine)}) as daemon:
        await daemon.control.monitor.ready.wait()
        async with asgi_client(HttpApp(said.http, daemon.app.dispatcher, daemon.control, warn=print)) as http:
            yield daemon, http


async def test_a_tool_that_speaks_ollamas_api_gets_ollamas_records():
    engine = RemoteEngine()
    async with open_port(engine) as (daemon, http):
        reported = await http.post("/api/chat", {"model": "auto", "messages": HELLO})
        assert (reported.status, reported.headers["x-innkeep-model"], reported.said) == (200, FAR, "from the cluster")
        assert reported.lines[-1]["done"] is True
        whole = await http.post("/api/chat", {"model": "auto", "messages": HELLO, "stream": False})
        assert whole.json["message"]["content"] == "from the cluster"
        assert daemon.loads() == []


async def test_a_tool_that_speaks_openais_api_is_passed_through_with_our_token():
    engine = RemoteEngine()
    async with open_port(engine) as (_, http):
        reported = await http.post(
            "/v1/chat/completions", {"model": FAR, "messages": HELLO, "stream": True, "top_p": 0.5}
        )
        words = [each["choices"][0]["delta"].get("content", "") for each in reported.events[:-1] if each["choices"]]
        assert ("".join(words), reported.events[-1]) == ("from the cluster", "[DONE]")
        sent = engine.asked[-1]
        assert (sent[2]["model"], sent[2]["top_p"], sent[3]["authorization"]) == ("llama3.3", 0.5, "Bearer sk-ours")


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("refusal", [(500, "boom"), (401, "no such key"), (404, "Not Found")])
async def test_what_the_cluster_refuses_the_local_model_answers(path, refusal):
    engine = RemoteEngine()
    async with open_port(engine) as (daemon, http):
        engine.refuse(*refusal)
        shape = {"input": "hello there"} if path == "/v1/responses" else {"messages": HELLO}
        reported = await http.post(path, {"model": "auto", **shape, "stream": False})
        assert (reported.status, reported.headers["x-innkeep-model"]) == (200, LLAMA8)
        assert daemon.records[-1]["attempts"][0]["model"] == FAR


async def test_an_answer_in_one_piece_is_passed_on_as_it_is():
    engine = RemoteEngine()
    engine.headers = JSON
    body = {"model": "llama3.3", "choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}
    engine.chunks = [json.dumps(body).encode()]
    async with open_port(engine) as (_, http):
        reported = await http.post("/v1/chat/completions", {"model": FAR, "messages": HELLO})
        assert reported.json["choices"][0]["message"]["content"] == "whole"
