"""What changes the disk: deriving a model, pulling one. Deleting one does not exist here."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio

from innkeepd.simulator import asked as asking
from innkeepd.simulator.answer import LINES, V1_JSON, SimAnswer, encode, json_answer
from innkeepd.simulator.catalog import LIBRARY, Pulled, tagged
from innkeepd.simulator.faults import Refusal
from innkeepd.simulator.journal import Seen
from innkeepd.simulator.state import State

BANDWIDTH = 200_000_000
"""Bytes a second of a simulated pull, at speed 1."""


async def create(state: State, body: dict[str, Any]) -> SimAnswer:
    """``/api/create`` with ``from`` and ``parameters``: a name that shares the weights.

    Raises ``Refusal`` for anything else.
    """
    name, parent = asking.named(body), body.get("from")
    if not parent or body.get("files") or body.get("adapters") or body.get("quantize"):
        raise Refusal(400, "the simulator creates derived models only: 'from' and 'parameters'")
    found = state.catalog.find(str(parent))
    if found is None:  # Ollama pulls what is not there
        state.journal.sent_away.append(Seen(anyio.current_time(), "POST", "/api/pull", {"model": parent}))
        raise Refusal(500, "pull model manifest: file does not exist", V1_JSON)
    model = state.catalog.derive(name, found, body.get("parameters") or {}, state.wall.stamp())
    steps = [f"using existing layer sha256:{model.blob}", "writing manifest", "success"]
    return _answer([{"status": step} for step in steps], stream=body.get("stream") is not False)


async def pull(state: State, body: dict[str, Any]) -> SimAnswer:
    """``/api/pull``: progress lines for what the simulated library has; an error line for what it has not."""
    name = asking.named(body)
    wanted = next((model for model in LIBRARY if model.name == tagged(name)), state.catalog.find(name))
    if body.get("stream") is not False:
        return SimAnswer(200, {"content-type": LINES}, _pulling(state, wanted))
    if wanted is None:
        raise Refusal(500, "pull model manifest: file does not exist")
    async for _ in _pulling(state, wanted):
        pass
    return json_answer({"status": "success"})


async def delete(state: State, body: dict[str, Any]) -> SimAnswer:
    """It would delete weights, so it does nothing here but record the call."""
    state.journal.violations.append(f"/api/delete {body.get('model') or body.get('name')}")
    raise Refusal(405, "the simulator deletes nothing: /api/delete removes a model's weights from the disk")


async def _pulling(state: State, wanted: Pulled | None) -> AsyncGenerator[bytes, None]:
    yield encode({"status": "pulling manifest"}) + b"\n"
    if wanted is None:
        yield encode({"error": "pull model manifest: file does not exist"}) + b"\n"
        return
    here = state.catalog.find(wanted.name) is not None
    layer = {"status": f"pulling {wanted.blob[:12]}", "digest": f"sha256:{wanted.blob}", "total": wanted.size}
    for tenth in range(10, 11) if here else range(11):
        if not here and tenth:
            await anyio.sleep(wanted.size / 10 / BANDWIDTH / state.speed)
        yield encode(layer | {"completed": wanted.size * tenth // 10}) + b"\n"
    if not here:
        state.catalog.add(wanted)
    for step in ("verifying sha256 digest", "writing manifest", "success"):
        yield encode({"status": step}) + b"\n"


def _answer(lines: list[dict[str, Any]], *, stream: bool) -> SimAnswer:
    async def body() -> AsyncGenerator[bytes, None]:
        for line in lines:
            yield encode(line) + b"\n"

    return SimAnswer(200, {"content-type": LINES}, body()) if stream else json_answer(lines[-1], V1_JSON)
