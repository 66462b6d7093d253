"""Every address of the simulated server, and the ones that only look."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import ValidationError, convert, to_builtins

from innkeepd.simulator import asked as asking
from innkeepd.simulator import disk, messages, responses, vectors
from innkeepd.simulator.answer import TEXT, V1_JSON, SimAnswer, json_answer, whole
from innkeepd.simulator.answering import answer, idle
from innkeepd.simulator.catalog import Pulled, details, remote_fields, show, tag, tagged
from innkeepd.simulator.faults import Fault, Refusal
from innkeepd.simulator.native import Native
from innkeepd.simulator.openai import OpenAI
from innkeepd.simulator.state import State
from innkeepd.simulator.texts import BAD_MAGIC, CUT_FILE

Route = Callable[[State, dict[str, Any]], Awaitable[SimAnswer]]


async def _root(_: State, __: dict[str, Any]) -> SimAnswer:
    return whole(b"Ollama is running", TEXT)


async def _head(_: State, __: dict[str, Any]) -> SimAnswer:
    return whole(b"", TEXT)


async def _version(state: State, _: dict[str, Any]) -> SimAnswer:
    return json_answer({"version": state.release.version})


async def _status(state: State, _: dict[str, Any]) -> SimAnswer:
    """Whether models of other hosts are allowed; since 0.30."""
    if not state.release.has_status:
        return whole(b"404 page not found", TEXT, 404)
    return json_answer({"cloud": {"disabled": state.no_cloud, "source": "env" if state.no_cloud else "none"}})


async def _tags(state: State, _: dict[str, Any]) -> SimAnswer:
    tells = state.release.tells_capabilities
    return json_answer({"models": [tag(model, tells_capabilities=tells) for model in state.catalog]})


async def _ps(state: State, _: dict[str, Any]) -> SimAnswer:
    """What Ollama believes: a runner that died is still here."""
    lines = [
        {
            "name": runner.model.name, "model": runner.model.name, "size": runner.size, "digest": runner.model.manifest,
            "details": details(runner.model), "expires_at": state.wall.stamp(runner.shown_until()),
            "size_vram": min(runner.size, state.machine.metal), "context_length": runner.context,
        }
        for runner in await state.runners.listed()
    ]  # fmt: skip
    return json_answer({"models": lines})


async def _show(state: State, body: dict[str, Any]) -> SimAnswer:
    name = asking.named(body)
    shown = tagged(name) if state.release.texts.show_adds_tag else name
    model = state.find(name, missing=f"model '{shown}' not found")
    if model.damage == "gone":
        raise Refusal(404, f"model '{shown}' not found")
    if model.damage in ("cut", "garbled"):
        raise Refusal(500, CUT_FILE if model.damage == "cut" else BAD_MAGIC)
    return json_answer(show(model))


async def _chat(state: State, body: dict[str, Any]) -> SimAnswer:
    return await _native(state, asking.native(body, chat=True))


async def _generate(state: State, body: dict[str, Any]) -> SimAnswer:
    return await _native(state, asking.native(body, chat=False))


async def _native(state: State, asked: asking.Asked) -> SimAnswer:
    model = state.catalog.find(asked.model)
    native = Native(asked, state.wall, remote=remote_fields(model) if model else {})
    return await (idle if asked.promptless else answer)(state, asked, native)


async def _v1_chat(state: State, body: dict[str, Any]) -> SimAnswer:
    asked = asking.openai(body, chat=True)
    return await answer(state, asked, OpenAI(asked, state.wall, state.release))


async def _v1_completions(state: State, body: dict[str, Any]) -> SimAnswer:
    asked = asking.openai(body, chat=False)
    return await answer(state, asked, OpenAI(asked, state.wall, state.release))


async def _v1_responses(state: State, body: dict[str, Any]) -> SimAnswer:
    asked = asking.openai(responses.as_chat(body), chat=True)
    return await answer(state, asked, responses.Responses(asked, state.wall, body, state.release))


async def _v1_messages(state: State, body: dict[str, Any]) -> SimAnswer:
    chat = messages.as_chat(body, results_first=not state.release.shifts_by_request)
    asked = asking.openai(chat, chat=True)
    return await answer(state, asked, messages.Messages(asked, state.release))


async def _v1_models(state: State, _: dict[str, Any]) -> SimAnswer:
    return json_answer({"object": "list", "data": [_v1_line(model) for model in state.catalog]}, V1_JSON)


async def _v1_model(state: State, named: dict[str, Any]) -> SimAnswer:
    return json_answer(_v1_line(state.find(named["model"])), V1_JSON)


def _v1_line(model: Pulled) -> dict[str, Any]:
    return {"id": model.name, "object": "model", "created": 1_793_523_600, "owned_by": "library"}


async def _fail(state: State, body: dict[str, Any]) -> SimAnswer:
    """``POST /simulator/faults``: let something fail, for a demo."""
    try:
        fault = convert(body, Fault, strict=False)
        state.fail(fault.how, fault.model, **{key: body[key] for key in body.keys() - {"how", "model"}})
    except (ValidationError, ValueError, TypeError) as wrong:
        raise Refusal(400, str(wrong)) from None
    return await _waiting(state, body)


async def _waiting(state: State, _: dict[str, Any]) -> SimAnswer:
    return json_answer({"faults": [to_builtins(fault) for fault in state.faults.waiting]})


async def _forgive(state: State, body: dict[str, Any]) -> SimAnswer:
    state.faults.clear()
    return await _waiting(state, body)


async def _loads(state: State, _: dict[str, Any]) -> SimAnswer:
    """``GET /simulator/loads``: how many models were loaded, and which launch attributes made one reload."""
    return json_answer({"loads": state.journal.load_count, "reloads": dict(state.reload_reasons)})


ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "/"): _root,
    ("HEAD", "/"): _head,
    ("GET", "/api/version"): _version,
    ("HEAD", "/api/version"): _head,
    ("GET", "/api/status"): _status,
    ("GET", "/api/tags"): _tags,
    ("HEAD", "/api/tags"): _head,
    ("GET", "/api/ps"): _ps,
    ("POST", "/api/show"): _show,
    ("POST", "/api/chat"): _chat,
    ("POST", "/api/generate"): _generate,
    ("POST", "/api/embed"): vectors.embed,
    ("POST", "/api/embeddings"): vectors.embeddings,
    ("POST", "/api/create"): disk.create,
    ("POST", "/api/pull"): disk.pull,
    ("DELETE", "/api/delete"): disk.delete,
    ("POST", "/api/delete"): disk.delete,
    ("GET", "/v1/models"): _v1_models,
    ("POST", "/v1/chat/completions"): _v1_chat,
    ("POST", "/v1/completions"): _v1_completions,
    ("POST", "/v1/responses"): _v1_responses,
    ("POST", "/v1/messages"): _v1_messages,
    ("POST", "/v1/embeddings"): vectors.v1_embeddings,
    ("GET", "/simulator/loads"): _loads,
    ("GET", "/simulator/faults"): _waiting,
    ("POST", "/simulator/faults"): _fail,
    ("DELETE", "/simulator/faults"): _forgive,
}


def find_route(method: str, path: str) -> tuple[Route, dict[str, Any] | None] | None:
    """Who answers, and what the path itself names."""
    route = ROUTES.get((method, path))
    if route is None and method == "GET" and path.startswith("/v1/models/"):
        return _v1_model, {"model": path.removeprefix("/v1/models/")}
    return None if route is None else (route, None)


def is_known(path: str) -> bool:
    """Whether another method would be answered there."""
    return any(path == address for _, address in ROUTES)
