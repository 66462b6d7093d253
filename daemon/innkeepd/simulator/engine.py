"""The simulated Ollama: a request in, a status, headers and chunks out, with a real one's timing and traps.

No socket, no thread and no task of its own: the work of a request runs in whoever awaits ``handle`` and reads the
body, on anyio's clock. So the same engine serves real HTTP (``server.py``) and tests on a mock clock.
"""

from collections.abc import Iterable
from typing import Any

import anyio

from innkeepd.outbound.http import Unreachable
from innkeepd.simulator.answer import JSON, TEXT, V1_JSON, SimAnswer, json_answer, whole
from innkeepd.simulator.body import parse
from innkeepd.simulator.catalog import GIB, Catalog, Pulled
from innkeepd.simulator.faults import DOOR, QUEUE_FULL, REFUSE, Fault, Faults, Refusal
from innkeepd.simulator.journal import Journal, Loaded, Seen, Unloaded
from innkeepd.simulator.machine import Machine
from innkeepd.simulator.routes import find_route, is_known
from innkeepd.simulator.runners import Runners
from innkeepd.simulator.wall import LoopClock, Wall


class Simulator:
    """An Ollama on a 36 GB Mac. ``speed`` divides every duration of the engine, not the keep-alives."""

    def __init__(
        self,
        *,
        speed: float = 1.0,
        models: Iterable[Pulled] | None = None,
        total: int = 36 * GIB,
        metal: int = 27 * GIB,
        others: int = 6 * GIB,
        parallel: int = 1,
        max_queue: int = 512,
        heavy_parameters: int = 20_000_000_000,
        seed: int = 0,
    ) -> None:
        self.speed = speed
        self.seed = seed
        self.catalog = Catalog(models)
        clock = LoopClock()
        self.machine = Machine(total=total, metal=metal, others=others, clock=clock)
        self.faults = Faults()
        self.journal = Journal()
        self.wall = Wall(clock)
        self.down = False
        self.runners = Runners(
            self.machine, self.faults, self.journal, speed=speed, parallel=parallel, max_queue=max_queue,
            heavy_parameters=heavy_parameters, clock=clock,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Simulator {'down' if self.down else 'up'} speed={self.speed:g}>"

    # For tests and demos

    @property
    def requests(self) -> list[Seen]:
        """Every request that came, the latest last."""
        return list(self.journal.requests)

    @property
    def loads(self) -> list[Loaded]:
        """Every load that began."""
        return list(self.journal.loads)

    @property
    def unloads(self) -> list[Unloaded]:
        """Every runner that left ``/api/ps``."""
        self.runners.settle()
        return list(self.journal.unloads)

    @property
    def violations(self) -> list[str]:
        """Requests that innkeep must never send."""
        return self.journal.violations

    @property
    def resident(self) -> list[str]:
        """The names in ``/api/ps`` now."""
        return [runner.model.name for runner in self.runners.standing()]

    @property
    def heavy(self) -> frozenset[str]:
        """The heavy models in memory now, those that load or leave included."""
        self.runners.settle()
        return self.journal.residents[-1].heavy if self.journal.residents else frozenset()

    def fail(self, how: str, model: str | None = None, **more: Any) -> None:
        """Let the next requests (``times``) fail; ``faults.py`` tells of ``how`` and ``more``."""
        found = self.catalog.find(model) if model else None
        self.faults.add(Fault(how, found.name if found else model, **more))

    def stop(self) -> None:
        """The server goes away with everything in its memory."""
        self.down = True
        self.runners.stop()

    def start(self) -> None:
        """The server is back, empty."""
        self.down = False

    # The door

    async def handle(self, method: str, path: str, body: bytes | None = None) -> SimAnswer:
        """Answer a request; returns once the head would be sent.

        Raises ``Unreachable`` where no answer comes at all.
        """
        path = path.partition("?")[0]
        request, wrong = parse(body)
        self.journal.requests.append(Seen(anyio.current_time(), method, path, request))
        if self.down:
            raise Unreachable("the simulated Ollama is down: connection refused")
        found = find_route(method, path)
        if found is None:
            known = is_known(path)
            return whole(b"405 method not allowed" if known else b"404 page not found", TEXT, 405 if known else 404)
        route, named = found
        try:
            if method == "POST" and wrong:
                raise Refusal(400, wrong)
            self._at_the_door(path, request or {})
            return await route(self, named or request or {})
        except Refusal as end:
            return (v1_error if path.startswith("/v1/") else native_error)(end.status, end.text)

    def _at_the_door(self, path: str, body: dict[str, Any]) -> None:
        """Raises the fault that waits here. A line can only be full for a request that would stand in it."""
        if path.startswith("/simulator"):
            return
        model = self.catalog.find(str(body.get("model") or ""))
        lines_up = bool(body.get("model")) and path != "/api/show"
        fault = self.faults.take(DOOR if lines_up else REFUSE, model.name if model else None)
        if fault is not None and fault.how == "refuse":
            raise Unreachable("the simulated Ollama refuses: connection refused")
        if fault is not None:
            raise Refusal(503, QUEUE_FULL)

    # What every room asks

    def find(self, name: str) -> Pulled:
        """The pulled model of a name. Raises ``Refusal`` (404)."""
        model = self.catalog.find(name)
        if model is None:
            raise Refusal(404, f"model '{name}' not found")
        return model

    def context(self, model: Pulled, num_ctx: int | None) -> int:
        """Tokens for a request: its own, else the model's, else by Metal's memory; at most the model's length."""
        default = 262_144 if self.machine.metal >= 47 * GIB else 32_768 if self.machine.metal >= 23 * GIB else 4096
        return min(num_ctx or int(model.options.get("num_ctx", 0)) or default, model.max_context)


def native_error(status: int, text: str) -> SimAnswer:
    """An error in Ollama's own shape."""
    return json_answer({"error": text}, JSON, status)


def v1_error(status: int, text: str) -> SimAnswer:
    """The same in OpenAI's shape."""
    return json_answer({"error": {"message": text, "type": "api_error", "param": None, "code": None}}, V1_JSON, status)
