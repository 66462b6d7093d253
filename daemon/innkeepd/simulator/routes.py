"""Every address of the simulated server, and the ones that only look."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import ValidationError, convert, to_builtins

from innkeepd.simulator import asked as asking
from innkeepd.simulator import disk, messages, responses, vectors
from innkeepd.simulator.answer import TEXT, V1_JSON, SimAnswer, json_answer, whole
from innkeepd.simulator.answering import answer, idle
from innkeepd.simulator.catalog import Pulled, details, show, tag
from innkeepd.simulator.faults import Fault, Refusal
from innkeepd.simulator.native import Native
from innkeepd.simulator.openai import OpenAI

if TYPE_CHECKING:
    from innkeepd.simulator.engine import Simulator

VERSION = "0.17.4-simulated"

Route = Callable[["Simulator", dict[str, Any]], Awaitable[SimAnswer]]


async def _root(_: "Simulator", __: dict[str, Any]) -> SimAnswer:
    return whole(b"Ollama is running", TEXT)


async def _head(_: "Simulator", __: dict[str, Any]) -> SimAnswer:
    return whole(b"", TEXT)


async def _version(_: "Simulator", __: dict[str, Any]) -> SimAnswer:
    return json_answer({"version": VERSION})


async def _tags(simulator: "Simulator", _: dict[str, Any]) -> SimAnswer:
    return json_answer({"models": [tag(model) for model in simulator.catalog]})


async def _ps(simulator: "Simulator", _: dict[str, Any]) -> SimAnswer:
    """What Ollama believes: a runner that died is still here."""
    lines = [
        {
            "name": runner.model.name, "model": runner.model.name, "size": runner.size, "digest": runner.model.manifest,
            "details": details(runner.model), "expires_at": simulator.wall.stamp(runner.shown_until()),
            "size_vram": min(runner.size, simulator.machine.metal), "context_length": runner.context,
        }
        for runner in simulator.runners.standing()
    ]  # fmt: skip
    return json_answer({"models": lines})


async def _show(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    return json_answer(show(simulator.find(asking.named(body))))


async def _chat(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    asked = asking.native(body, chat=True)
    native = Native(asked, simulator.wall, chat=True)
    return await (idle(simulator, asked, native) if asked.promptless else answer(simulator, asked, native))


async def _generate(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    asked = asking.native(body, chat=False)
    native = Native(asked, simulator.wall, chat=False)
    return await (idle if asked.promptless else answer)(simulator, asked, native)


async def _v1_chat(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    asked = asking.openai(body, chat=True)
    return await answer(simulator, asked, OpenAI(asked, simulator.wall, chat=True))


async def _v1_completions(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    asked = asking.openai(body, chat=False)
    return await answer(simulator, asked, OpenAI(asked, simulator.wall, chat=False))


async def _v1_responses(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    asked = asking.openai(responses.as_chat(body), chat=True)
    return await answer(simulator, asked, responses.Responses(asked, simulator.wall, body))


async def _v1_messages(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    asked = asking.openai(messages.as_chat(body), chat=True)
    return await answer(simulator, asked, messages.Messages(asked))


async def _v1_models(simulator: "Simulator", _: dict[str, Any]) -> SimAnswer:
    return json_answer({"object": "list", "data": [_v1_line(model) for model in simulator.catalog]}, V1_JSON)


async def _v1_model(simulator: "Simulator", named: dict[str, Any]) -> SimAnswer:
    return json_answer(_v1_line(simulator.find(named["model"])), V1_JSON)


def _v1_line(model: Pulled) -> dict[str, Any]:
    return {"id": model.name, "object": "model", "created": 1_793_523_600, "owned_by": "library"}


async def _fail(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    """``POST /simulator/faults``: let something fail, for a demo."""
    try:
        fault = convert(body, Fault, strict=False)
        simulator.fail(fault.how, fault.model, **{key: body[key] for key in body.keys() - {"how", "model"}})
    except (ValidationError, ValueError, TypeError) as wrong:
        raise Refusal(400, str(wrong)) from None
    return await _waiting(simulator, body)


async def _waiting(simulator: "Simulator", _: dict[str, Any]) -> SimAnswer:
    return json_answer({"faults": [to_builtins(fault) for fault in simulator.faults.waiting]})


async def _forgive(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    simulator.faults.clear()
    return await _waiting(simulator, body)


ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "/"): _root,
    ("HEAD", "/"): _head,
    ("GET", "/api/version"): _version,
    ("HEAD", "/api/version"): _head,
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
