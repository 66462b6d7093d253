"""What changes the disk: deriving a model, pulling one. Deleting one does not exist here."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import anyio

from innkeepd.simulator import asked as asking
from innkeepd.simulator.answer import LINES, SimAnswer, encode, json_answer
from innkeepd.simulator.catalog import LIBRARY, Pulled, tagged
from innkeepd.simulator.faults import Refusal

if TYPE_CHECKING:
    from innkeepd.simulator.engine import Simulator

BANDWIDTH = 200_000_000
"""Bytes a second of a simulated pull, at speed 1."""


async def create(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    """``/api/create`` with ``from`` and ``parameters``: a name that shares the weights.

    Raises ``Refusal`` for anything else.
    """
    name, parent = asking.named(body), body.get("from")
    if not parent or body.get("files") or body.get("adapters") or body.get("quantize"):
        raise Refusal(400, "the simulator creates derived models only: 'from' and 'parameters'")
    model = simulator.catalog.derive(
        name, simulator.find(str(parent)), body.get("parameters") or {}, simulator.wall.stamp()
    )
    steps = [f"using existing layer sha256:{model.blob}", "writing manifest", "success"]
    return _told([{"status": step} for step in steps], stream=body.get("stream") is not False)


async def pull(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    """``/api/pull``: progress lines for what the simulated library has; an error line for what it has not."""
    name = asking.named(body)
    wanted = next((model for model in LIBRARY if model.name == tagged(name)), simulator.catalog.find(name))
    if body.get("stream") is not False:
        return SimAnswer(200, {"content-type": LINES}, _pulling(simulator, wanted))
    if wanted is None:
        raise Refusal(500, "pull model manifest: file does not exist")
    async for _ in _pulling(simulator, wanted):
        pass
    return json_answer({"status": "success"})


async def delete(simulator: "Simulator", body: dict[str, Any]) -> SimAnswer:
    """It takes weights off a disk, so it does not exist here: whoever calls it is written down."""
    simulator.journal.violations.append(f"/api/delete {body.get('model') or body.get('name')}")
    raise Refusal(405, "the simulator deletes nothing: /api/delete removes a model's weights from the disk")


async def _pulling(simulator: "Simulator", wanted: Pulled | None) -> AsyncGenerator[bytes, None]:
    yield encode({"status": "pulling manifest"}) + b"\n"
    if wanted is None:
        yield encode({"error": "pull model manifest: file does not exist"}) + b"\n"
        return
    here = simulator.catalog.find(wanted.name) is not None
    layer = {"status": f"pulling {wanted.blob[:12]}", "digest": f"sha256:{wanted.blob}", "total": wanted.size}
    for tenth in range(10, 11) if here else range(11):
        if not here and tenth:
            await anyio.sleep(wanted.size / 10 / BANDWIDTH / simulator.speed)
        yield encode(layer | {"completed": wanted.size * tenth // 10}) + b"\n"
    if not here:
        simulator.catalog.add(wanted)
    for step in ("verifying sha256 digest", "writing manifest", "success"):
        yield encode({"status": step}) + b"\n"


def _told(lines: list[dict[str, Any]], *, stream: bool) -> SimAnswer:
    async def body() -> AsyncGenerator[bytes, None]:
        for line in lines:
            yield encode(line) + b"\n"

    return SimAnswer(200, {"content-type": LINES}, body()) if stream else json_answer(lines[-1])
