"""The simulated Ollama: a request in, a status, headers and chunks out, with a real one's timing and traps.

No socket, no thread and no task of its own: the work of a request runs in whoever awaits ``handle`` and reads the body, on anyio's
clock. So the same engine serves real HTTP (``server.py``) and tests on a mock clock.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any

import anyio

from innkeepd.outbound.http import Unreachable
from innkeepd.simulator.answer import JSON, TEXT, V1_JSON, SimAnswer, json_answer, whole
from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import GIB, Catalog, Pulled
from innkeepd.simulator.dialect import Dialect, Said, Tally
from innkeepd.simulator.faults import (
    ANSWER,
    DOOR,
    METAL_OUT_OF_MEMORY,
    QUEUE_FULL,
    RUNNER_STOPPED,
    TOO_LONG,
    UNEXPECTED_EOF,
    Fault,
    Faults,
    Refusal,
    in_prompt,
)
from innkeepd.simulator.journal import Journal, Loaded, Seen, Unloaded
from innkeepd.simulator.machine import Machine
from innkeepd.simulator.native import Native
from innkeepd.simulator.runners import Runners, Use
from innkeepd.simulator.text import Plan, count, plan
from innkeepd.simulator.wall import Wall

TEMPLATE_TOKENS = 4
"""Tokens that a chat template adds to a prompt, about."""

Route = Callable[["Simulator", dict[str, Any]], Awaitable[SimAnswer]]


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
        self.machine = Machine(total=total, metal=metal, others=others)
        self.faults = Faults()
        self.journal = Journal()
        self.wall = Wall()
        self.down = False
        self.runners = Runners(
            self.machine, self.faults, self.journal, speed=speed, parallel=parallel, max_queue=max_queue,
            heavy_parameters=heavy_parameters,
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
        return list(self.journal.unloads)

    @property
    def violations(self) -> list[str]:
        """Requests that innkeep must never send."""
        return self.journal.violations

    @property
    def resident(self) -> list[str]:
        """The names in ``/api/ps`` now."""
        return [runner.model.name for runner in self.runners.standing()]

    def heavy(self) -> frozenset[str]:
        """The heavy models in memory now, those that load or leave included."""
        self.runners.settle()
        return self.journal.residents[-1].heavy if self.journal.residents else frozenset()

    def fail(self, how: str, model: str | None = None, **more: Any) -> None:
        """Let the next request (``times``) fail; see ``faults.py`` for ``how``, ``after``, ``seconds`` and ``factor``."""
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
        """Answer a request; returns once the head would be sent. Raises ``Unreachable`` where no answer comes at all."""
        from innkeepd.simulator.routes import ROUTES  # noqa: PLC0415 -- the routes know the engine

        path = path.partition("?")[0]
        parsed, wrong = _parse(body)
        self.journal.requests.append(Seen(anyio.current_time(), method, path, parsed))
        refusal = v1_error if path.startswith("/v1/") else native_error
        if self.down:
            raise Unreachable("the simulated Ollama is down: connection refused")
        route = ROUTES.get((method, path)) or ROUTES.get((method, path.rpartition("/")[0] + "/{id}"))
        if route is None:
            known = any(path == at for _, at in ROUTES)
            return whole(b"405 method not allowed" if known else b"404 page not found", TEXT, 405 if known else 404)
        try:
            if method == "POST" and wrong:
                raise Refusal(400, wrong)
            request = parsed or {"model": path.removeprefix("/v1/models/")}
            self._at_the_door(path, request)
            return await route(self, request)
        except Refusal as end:
            return refusal(end.status, end.text)

    def _at_the_door(self, path: str, body: dict[str, Any]) -> None:
        model = self.catalog.find(str(body.get("model") or ""))
        if path.startswith("/simulator"):
            return
        fault = self.faults.take(DOOR, model.name if model else None)
        if fault is not None and fault.how == "refuse":
            raise Unreachable("the simulated Ollama refuses: connection refused")
        if fault is not None:
            raise Refusal(503, QUEUE_FULL)

    # One question

    def find(self, name: str) -> Pulled:
        """The pulled model of a name. Raises ``Refusal`` (404)."""
        model = self.catalog.find(name)
        if model is None:
            raise Refusal(404, f"model '{name}' not found")
        return model

    def context(self, model: Pulled, num_ctx: int | None) -> int:
        """Tokens of context for a request: its own, else the model's, else by Metal's memory; never over the model's length."""
        default = 262_144 if self.machine.metal >= 47 * GIB else 32_768 if self.machine.metal >= 23 * GIB else 4096
        return min(num_ctx or int(model.options.get("num_ctx", 0)) or default, model.max_context)

    async def idle(self, asked: Asked, native: Native) -> SimAnswer:
        """A request without a prompt: load, or unload where ``keep_alive`` is 0."""
        model = self.find(asked.model)
        if asked.keep == 0:
            self.runners.expire(model)
            return json_answer(native.idle("unload"))
        use = await self.runners.use(model, self.context(model, asked.num_ctx), asked.keep)
        use.release()
        return json_answer(native.idle("load"))

    async def answer(self, asked: Asked, dialect: Dialect, *, wants: str = "completion") -> SimAnswer:
        """Answer a question in a dialect, streamed or not; the runner is held until the end or until nobody listens."""
        model = self.find(asked.model)
        _can(model, asked, wants)
        began = anyio.current_time()
        use = await self.runners.use(model, self.context(model, asked.num_ctx), asked.keep)
        spoken: AsyncGenerator[bytes, None] | None = None
        try:
            await use.slot()
            spoken = self._speak(asked, model, use, dialect, (began, anyio.current_time()))
            first = await anext(spoken)
        except BaseException as end:
            use.release()
            if not isinstance(end, Refusal | Unreachable):
                self.journal.left.append(model.name)
            raise
        if not asked.stream:
            await spoken.aclose()
            return whole(first, dialect.plain_type)
        return SimAnswer(200, {"content-type": dialect.stream_type}, _resumed(first, spoken), use.release)

    async def _speak(
        self, asked: Asked, model: Pulled, use: Use, dialect: Dialect, since: tuple[float, float]
    ) -> AsyncGenerator[bytes, None]:
        """Everything from the prompt on; a whole answer is the only item where nothing is streamed."""
        fault = self.faults.take(ANSWER, model.name) or in_prompt(asked.text)
        tokens = await self._prefill(asked, model, use, fault)
        ready, said = anyio.current_time(), plan(asked, model, self.seed)
        slower = (3.0 if use.runner.size > self.machine.metal else 1.0) * (
            fault.factor if fault and fault.how == "slow" else 1.0
        )
        out: list[Said] = []
        finished = False
        try:
            for number, part in enumerate(_parts(said)):
                await anyio.sleep(slower / model.decode / self.speed)
                if await self._breaks(fault, number, use):
                    if not asked.stream:
                        raise Refusal(500, UNEXPECTED_EOF)
                    finished = True
                    yield dialect.broken(UNEXPECTED_EOF)
                    return
                out.append(part)
                if asked.stream:
                    yield dialect.piece(part)
            now = anyio.current_time()
            tally = Tally(
                said.reason, tokens, said.evaluated, now - since[0], since[1] - since[0], ready - since[1], now - ready
            )
            finished = True
            use.release()
            yield dialect.finish(tally) if asked.stream else dialect.whole(_joined(out), tally)
        finally:
            if not finished and asked.stream and out:
                self.journal.left.append(model.name)
            use.release()

    async def _prefill(self, asked: Asked, model: Pulled, use: Use, fault: Fault | None) -> int:
        """Read the prompt; returns its tokens. A prompt over the context is cut without a word, or refused if asked to."""
        how = fault.how if fault else ""
        if use.runner.dead or how == "runner_dies_before":
            self.runners.kill(use.runner)
            raise Refusal(500, RUNNER_STOPPED)
        tokens = count(asked.prompt) + TEMPLATE_TOKENS
        if tokens > use.runner.context and not asked.truncate:
            raise Refusal(400, TOO_LONG)
        tokens = min(tokens, use.runner.context)
        slower = fault.factor if fault and how == "slow" else 1.0
        await anyio.sleep(slower * tokens / model.prefill / self.speed)
        if how == "metal_out_of_memory":
            raise Refusal(500, METAL_OUT_OF_MEMORY)
        if fault and how == "hang":
            await anyio.sleep(fault.seconds)
        return tokens

    async def _breaks(self, fault: Fault | None, number: int, use: Use) -> bool:
        """Whether the runner dies before piece ``number``. Raises ``Unreachable`` where the connection goes with it."""
        if self.down or (fault and fault.how == "cut" and number >= fault.after):
            raise Unreachable("the simulated Ollama went away: connection reset")
        if fault and fault.how == "crash" and number >= fault.after:
            self.runners.kill(use.runner)
        if fault and fault.how == "stall" and number == fault.after:
            await anyio.sleep(fault.seconds)
        return use.runner.dead


async def _resumed(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for chunk in rest:
            yield chunk
    finally:
        await rest.aclose()


def _parts(said: Plan) -> list[Said]:
    thinking = [Said(thinking=piece) for piece in said.thinking]
    calls = [Said(tool_calls=said.tool_calls)] if said.tool_calls else []
    return thinking + [Said(text=piece) for piece in said.content] + calls


def _joined(parts: list[Said]) -> Said:
    thinking = "".join(part.thinking or "" for part in parts)
    calls = [call for part in parts for call in part.tool_calls or []]
    return Said("".join(part.text for part in parts), thinking or None, calls or None)


def _can(model: Pulled, asked: Asked, wants: str) -> None:
    """Raises ``Refusal`` (400) where the model can't do what is asked."""
    if "completion" not in model.capabilities:
        raise Refusal(400, f'"{asked.model}" does not support {"chat" if wants == "completion" else wants}')
    if asked.think and "thinking" not in model.capabilities:
        raise Refusal(400, f'"{asked.model}" does not support thinking')
    if asked.tools and "tools" not in model.capabilities:
        raise Refusal(400, f"{model.full_name} does not support tools")


def _parse(body: bytes | None) -> tuple[dict[str, Any] | None, str | None]:
    """The body's object, or what Go would say against it."""
    if not body:
        return None, "missing request body"
    try:
        value = json.loads(body)
    except UnicodeDecodeError:
        return None, "invalid character '\\ufffd' looking for beginning of value"
    except json.JSONDecodeError as wrong:
        return None, _go_words(wrong)
    if not isinstance(value, dict):
        return None, f"json: cannot unmarshal {type(value).__name__} into Go value of type api.ChatRequest"
    return value, None


def _go_words(wrong: json.JSONDecodeError) -> str:
    if wrong.pos >= len(wrong.doc.rstrip()):
        return "unexpected EOF"
    where = {"Expecting property": "looking for beginning of object key string", "Expecting ':'": "after object key"}
    place = next(
        (text for start, text in where.items() if wrong.msg.startswith(start)), "looking for beginning of value"
    )
    return f"invalid character '{wrong.doc[wrong.pos]}' {place}"


def native_error(status: int, text: str) -> SimAnswer:
    """An error in Ollama's own shape."""
    return json_answer({"error": text}, JSON, status)


def v1_error(status: int, text: str) -> SimAnswer:
    """The same in OpenAI's shape."""
    return json_answer({"error": {"message": text, "type": "api_error", "param": None, "code": None}}, V1_JSON, status)
