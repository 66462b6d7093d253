"""Garbage at every call of Ollama's and of an engine elsewhere: one request or engine fails, the daemon serves on."""

import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trio
from hypothesis import strategies as st

from innkeep import wire
from innkeepd.backends.openai import OpenAIBackend
from innkeepd.config.schema import BackendConfig, RoleConfig, default_roles
from innkeepd.simulator.catalog import LIBRARY, SHELF
from innkeepd.simulator.engine import Simulator
from support.attack import rest
from support.daemon import Daemon, config, mock_clock, open_daemon
from support.garbage import GarbageTransport, Kind, kinds
from support.http_daemon import open_http_daemon
from support.odd import as_json
from support.remote import RemoteEngine
from support.transport import MemoryTransport

LIGHT, HEAVY, EMBED = "llama3.1:8b", "qwen2.5-coder:32b", "nomic-embed-text:latest"
MODELS = (*SHELF, *(model for model in LIBRARY if model.name == EMBED))
CALLS: dict[str, Callable[[str, bytes], bool]] = {
    "version": lambda path, _: path == "/api/version",
    "tags": lambda path, _: path == "/api/tags",
    "show": lambda path, _: path == "/api/show",
    "ps": lambda path, _: path == "/api/ps",
    "load": lambda path, body: path == "/api/generate" and b'"keep_alive":0' not in body,
    "unload": lambda path, body: path == "/api/generate" and b'"keep_alive":0' in body,
    "chat": lambda path, _: path == "/api/chat",
    "embed": lambda path, _: path == "/api/embed",
}
WELL_AGAIN = 900.0
"""Virtual seconds after which a model that failed is tried again: the longest cooling is 10 minutes."""
ENDS = 700.0
"""Virtual seconds in which a request at an engine that sends garbage has ended, well or badly."""


async def _ask_everything(daemon: Daemon) -> None:
    """Each verb that makes the daemon ask Ollama; each ends, however. No fault is the daemon's own."""
    faults: list[Any] = []
    daemon.control.on_event.append(lambda _kind, what, data: faults.append((what, data)) if "itself" in what else None)
    client = daemon.connect()
    asks: list[wire.Request] = [
        wire.Load(id=0, model=LIGHT),
        wire.Chat(id=0, messages=[wire.Message("user", "hi")], model=LIGHT),
        wire.Embed(id=0, model=EMBED, input=["a"]),
        wire.Chat(id=0, messages=[wire.Message("user", "hi")], model=HEAVY, fallbacks=[LIGHT]),
        wire.Unload(id=0, all=True),
        wire.ModelsAsk(id=0),
        wire.StatusAsk(id=0),
    ]
    for ask in asks:
        with anyio.fail_after(ENDS):
            end = await client.answer(ask)
        assert not (isinstance(end, wire.Error) and end.code == "internal"), (ask, end)
    assert faults == []
    await client.leave()


async def _is_well(daemon: Daemon) -> None:
    """A chat is answered by the model that was asked, and nothing is left over."""
    client = daemon.connect()
    await anyio.sleep(WELL_AGAIN)
    end = await client.chat_to_end(model=LIGHT)
    assert isinstance(end, wire.Done), end
    await client.leave()
    await rest(daemon.is_quiet)
    assert daemon.is_quiet()


async def _suffer(kind: Kind, strikes: Callable[[str, bytes], bool], *, late: bool) -> int:
    """A daemon whose Ollama sends garbage, from the start or (``late``) from a moment on, and then is well again."""
    simulator = Simulator(models=MODELS)
    transport = GarbageTransport(MemoryTransport(simulator), kind, strikes)
    async with open_daemon(simulator=simulator, transport=transport) as daemon:
        transport.is_well = late
        if late:
            await daemon.control.monitor.ready.wait()
            await anyio.sleep(1)
            transport.is_well = False
        await _ask_everything(daemon)
        transport.is_well = True
        await _is_well(daemon)
    return transport.struck


def _run(function: Any, *arguments: Any) -> Any:
    _, options = mock_clock()
    return trio.run(function, *arguments, clock=options["clock"])


def test_no_kind_of_garbage_at_any_call_of_ollamas_ends_the_daemon(attack):
    everything = [
        (name, kind, call, late) for name, kind in kinds().items() for call in CALLS for late in (False, True)
    ]
    assert len(kinds()) >= 200
    attack.dice.shuffle(everything)
    everything.sort(key=lambda one: "UTF-8" not in one[0] and "deep" not in one[0] and "huge" not in one[0])
    dead: list[str] = []
    for number in attack.rounds(short=6, long=100, most=len(everything)):
        name, kind, call, late = everything[number]

        async def one(kind: Kind = kind, call: str = call, late: bool = late) -> int:
            return await _suffer(kind, CALLS[call], late=late)

        try:
            attack.count("answers replaced", _run(one))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            dead.append(f"{name} at {call}{', late' if late else ''}: {_leaf(error)!r}"[:300])
        attack.count("daemons")
    attack.figure("daemons dead or not well again", f"{len(dead)} of {attack.counts['daemons']} ({len(kinds())} kinds)")
    assert dead == []


_MESSAGES = [{"role": "user", "content": "hi"}]
HTTP_ASKS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/api/tags", None),
    ("GET", "/api/ps", None),
    ("GET", "/api/version", None),
    ("GET", "/v1/models", None),
    ("GET", f"/v1/models/{LIGHT}", None),
    ("POST", "/api/show", {"model": LIGHT}),
    ("POST", "/api/chat", {"model": LIGHT, "messages": _MESSAGES}),
    ("POST", "/api/generate", {"model": LIGHT, "prompt": "hi", "stream": False}),
    ("POST", "/v1/chat/completions", {"model": LIGHT, "messages": _MESSAGES, "stream": True}),
    ("POST", "/v1/messages", {"model": LIGHT, "messages": _MESSAGES, "max_tokens": 5}),
    ("POST", "/api/embed", {"model": EMBED, "input": "a"}),
)
HTTP_CALLS = CALLS | {
    "generate": lambda path, body: path == "/api/generate" and b'"prompt":"hi"' in body,
    "completions": lambda path, _: path == "/v1/chat/completions",
    "messages": lambda path, _: path == "/v1/messages",
}


async def _suffer_http(kind: Kind, strikes: Callable[[str, bytes], bool]) -> int:
    """The HTTP port before an Ollama that sends garbage: no answer is a fault of ours, and it serves afterwards."""
    simulator = Simulator(models=MODELS)
    transport = GarbageTransport(MemoryTransport(simulator), kind, strikes)
    transport.is_well = True
    async with open_http_daemon(simulator=simulator, transport=transport) as opened:
        transport.is_well = False
        for method, path, body in HTTP_ASKS:
            with anyio.fail_after(ENDS):
                answer = await opened.http.start(method, path, body).end()
            assert b"a fault of innkeepd itself" not in answer.body, (path, answer)
        transport.is_well = True
        await anyio.sleep(WELL_AGAIN)
        assert (await opened.chat().end()).status == 200
        await rest(opened.daemon.is_quiet)
        assert opened.daemon.is_quiet()
    return transport.struck


def test_no_kind_of_garbage_at_any_call_is_a_fault_of_the_http_port(attack):
    everything = [(name, kind, call) for name, kind in kinds().items() for call in HTTP_CALLS]
    attack.dice.shuffle(everything)
    everything.sort(key=lambda one: one[2] not in {"tags", "ps", "show"} or "deep" not in one[0])
    dead: list[str] = []
    for number in attack.rounds(short=4, long=60, most=len(everything)):
        name, kind, call = everything[number]
        try:
            attack.count("answers replaced", _run(_suffer_http, kind, HTTP_CALLS[call]))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is reported with the others
            dead.append(f"{name} at {call}: {_leaf(error)!r}"[:300])
        attack.count("daemons")
    attack.figure("daemons that failed or were not well again", f"{len(dead)} of {attack.counts['daemons']}")
    assert dead == []


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


# ---- true answers of Ollama's, broken by hypothesis ----


@pytest.fixture(scope="module")
def true_answers() -> dict[str, Any]:
    """What the simulator answers at each call."""
    return _run(_collect)


async def _collect() -> dict[str, list[Any]]:
    simulator, found = Simulator(models=MODELS), {}

    def keeps(path: str) -> Kind:
        def kind(data: bytes) -> list[Any]:
            found.setdefault(path, [json.loads(line) for line in data.splitlines()])
            return [data]

        return kind

    for call, strikes in CALLS.items():
        transport = GarbageTransport(MemoryTransport(simulator), keeps(call), strikes)
        async with open_daemon(simulator=simulator, transport=transport) as daemon:
            await _ask_everything(daemon)
    assert set(found) == set(CALLS)
    return found


def test_true_answers_of_ollamas_with_broken_fields_fail_one_request_at_most(attack, true_answers):
    def of(call: str) -> st.SearchStrategy[tuple[str, list[bytes]]]:
        return st.tuples(st.just(call), st.tuples(*(as_json(line) for line in true_answers[call][:3])).map(list))

    def check(case: tuple[str, list[bytes]]) -> None:
        call, lines = case
        attack.count("answers", _run(lambda: _suffer(lambda _: [b"\n".join(lines) + b"\n"], CALLS[call], late=True)))

    attack.tries(st.sampled_from(sorted(CALLS)).flatmap(of), check, short=4, long=30, batch=20)


# ---- an engine elsewhere ----


@asynccontextmanager
async def _house_with_far(engine: Any) -> Any:
    far = BackendConfig(name="far", url="http://cluster.test:8000", models=("llama3.3",))
    roles = default_roles() | {"general": RoleConfig(primary="far/llama3.3", fallbacks=(LIGHT,))}
    async with open_daemon(config(backends=(far,), roles=roles), backends={"far": OpenAIBackend(engine)}) as daemon:
        yield daemon


def test_no_garbage_of_an_engine_elsewhere_ends_the_daemon_and_another_model_answers(attack):
    async def one(kind: Kind, path: str) -> int:
        transport = GarbageTransport(RemoteEngine(), kind, lambda asked, _: asked == path)
        async with _house_with_far(transport) as daemon:
            client = daemon.connect()
            with anyio.fail_after(ENDS):
                end = await client.chat_to_end("hello", role="general")
            assert not (isinstance(end, wire.Error) and end.code == "internal"), end
            await client.leave()
            transport.is_well = True
            await _is_well(daemon)
        return transport.struck

    everything = [
        (name, kind, path) for name, kind in kinds().items() for path in ("/v1/models", "/v1/chat/completions")
    ]
    attack.dice.shuffle(everything)
    dead: list[str] = []
    for number in attack.rounds(short=3, long=40, most=len(everything)):
        name, kind, path = everything[number]
        try:
            attack.count("answers replaced", _run(one, kind, path))
        except Exception as error:  # noqa: BLE001 - whatever ends a daemon is told with the others
            dead.append(f"{name} at {path}: {_leaf(error)!r}"[:300])
        attack.count("daemons")
    attack.figure("daemons dead or not well again", f"{len(dead)} of {attack.counts['daemons']}")
    assert dead == []
