"""Every address of the simulated server."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from innkeepd.simulator import asked as asking
from innkeepd.simulator.answer import TEXT, SimAnswer, json_answer, whole
from innkeepd.simulator.catalog import details, show, tag
from innkeepd.simulator.faults import Refusal
from innkeepd.simulator.native import Native

if TYPE_CHECKING:
    from innkeepd.simulator.engine import Route, Simulator


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
    return await (simulator.idle(asked, native) if asked.promptless else simulator.answer(asked, native))


async def _generate(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    asked = asking.native(body, chat=False)
    native = Native(asked, simulator.wall, chat=False)
    return await (
        simulator.idle(asked, native) if asked.promptless else simulator.answer(asked, native, wants="generate")
    )


async def _delete(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    """Deletes weights from a disk, so it does not exist here: whoever calls it is written down."""
    simulator.journal.violations.append(f"/api/delete {body.get('model') or body.get('name')}")
    raise Refusal(405, "the simulator deletes nothing: /api/delete removes a model's weights from the disk")


VERSION = "0.17.4-simulated"

ROUTES: Mapping[tuple[str, str], "Route"] = {
    ("GET", "/"): _root,
    ("HEAD", "/"): _head,
    ("GET", "/api/version"): _version,
    ("GET", "/api/tags"): _tags,
    ("GET", "/api/ps"): _ps,
    ("POST", "/api/show"): _show,
    ("POST", "/api/chat"): _chat,
    ("POST", "/api/generate"): _generate,
    ("DELETE", "/api/delete"): _delete,
    ("POST", "/api/delete"): _delete,
}
