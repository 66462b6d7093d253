"""One question, from the runner to the last piece: the engine's timing, and its failures in the middle of it."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import anyio
from msgspec import Struct

from innkeepd.outbound.http import Unreachable
from innkeepd.simulator.answer import SimAnswer, json_answer, whole
from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import Pulled
from innkeepd.simulator.dialect import Dialect, Said, Tally
from innkeepd.simulator.faults import (
    ANSWER,
    METAL_OUT_OF_MEMORY,
    RUNNER_STOPPED,
    TOO_LONG,
    UNEXPECTED_EOF,
    Fault,
    Refusal,
    in_prompt,
)
from innkeepd.simulator.native import Native
from innkeepd.simulator.runners import Use
from innkeepd.simulator.text import Plan, count, plan

if TYPE_CHECKING:
    from innkeepd.simulator.engine import Simulator

TEMPLATE_TOKENS = 4
"""Tokens that a chat template adds to a prompt, about."""

SPILLED = 3.0
"""How many times slower a model is that Metal's memory does not hold whole, about."""


async def idle(simulator: "Simulator", asked: Asked, native: Native) -> SimAnswer:
    """A request without a prompt: load, or unload where ``keep_alive`` is 0. Raises ``Refusal``."""
    model = simulator.find(asked.model)
    if asked.keep == 0:
        simulator.runners.expire(model)
        return json_answer(native.idle("unload"))
    use = await simulator.runners.use(model, simulator.context(model, asked.num_ctx), asked.keep)
    use.release()
    return json_answer(native.idle("load"))


async def answer(simulator: "Simulator", asked: Asked, dialect: Dialect, *, wants: str = "chat") -> SimAnswer:
    """Answer in a dialect, streamed or not; the runner is held until the end, or until nobody listens.

    Raises ``Refusal``.
    """
    model = simulator.find(asked.model)
    can(model, asked, wants)
    began = anyio.current_time()
    use = await simulator.runners.use(model, simulator.context(model, asked.num_ctx), asked.keep)
    try:
        await use.slot()
        spoken = Speaking(simulator, asked, model, use, dialect, began).chunks()
        first = await anext(spoken)
    except BaseException as end:
        use.release()
        if not isinstance(end, Refusal | Unreachable):
            simulator.journal.left.append(model.name)
        raise
    if not asked.stream:
        await spoken.aclose()
        return whole(first, dialect.plain_type)
    return SimAnswer(200, {"content-type": dialect.stream_type}, _resumed(first, spoken), spoken.aclose)


def can(model: Pulled, asked: Asked, wants: str) -> None:
    """Raises ``Refusal`` (400) where the model can't do what is asked."""
    if "completion" not in model.capabilities:
        raise Refusal(400, f'"{asked.model}" does not support {wants}')
    if asked.think and "thinking" not in model.capabilities:
        raise Refusal(400, f'"{asked.model}" does not support thinking')
    if asked.tools and "tools" not in model.capabilities:
        raise Refusal(400, f"{model.full_name} does not support tools")


class Speaking(Struct):
    """An answer on its way. ``began`` is the clock at the request."""

    simulator: "Simulator"
    asked: Asked
    model: Pulled
    use: Use
    dialect: Dialect
    began: float

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The dialect's bytes; a whole answer is the only item where nothing is streamed."""
        asked, seated = self.asked, anyio.current_time()
        fault = self.simulator.faults.take(ANSWER, self.model.name) or in_prompt(asked.text)
        tokens = await self._prefill(fault)
        ready, said, out, finished = (
            anyio.current_time(),
            plan(asked, self.model, self.simulator.seed),
            list[Said](),
            False,
        )
        try:
            for number, part in enumerate(_parts(said)):
                await anyio.sleep(self._slower(fault) / self.model.decode / self.simulator.speed)
                if await self._breaks(fault, number):
                    if not asked.stream:
                        raise Refusal(500, UNEXPECTED_EOF)
                    finished = True
                    yield self.dialect.broken(UNEXPECTED_EOF)
                    return
                out.append(part)
                if asked.stream:
                    yield self.dialect.piece(part)
            now = anyio.current_time()
            tally = Tally(
                said.reason, tokens, said.evaluated, now - self.began, seated - self.began, ready - seated, now - ready
            )  # fmt: skip
            finished = True
            self.use.release()
            yield self.dialect.finish(tally) if asked.stream else self.dialect.whole(_joined(out), tally)
        finally:
            if not finished and asked.stream and out:
                self.simulator.journal.left.append(self.model.name)
            self.use.release()

    async def _prefill(self, fault: Fault | None) -> int:
        """Read the prompt; returns its tokens.

        What is over the context is cut without a word, or refused if asked to be.
        """
        how, runner, simulator = fault.how if fault else "", self.use.runner, self.simulator
        if runner.dead or how == "runner_dies_before":
            simulator.runners.kill(runner)
            raise Refusal(500, RUNNER_STOPPED)
        tokens = count(self.asked.prompt) + TEMPLATE_TOKENS
        if tokens > runner.context and not self.asked.truncate:
            raise Refusal(400, TOO_LONG)
        tokens = min(tokens, runner.context)
        await anyio.sleep(self._slower(fault) * tokens / self.model.prefill / simulator.speed)
        if how == "metal_out_of_memory":
            raise Refusal(500, METAL_OUT_OF_MEMORY)
        if fault and how == "hang":
            await anyio.sleep(fault.seconds)
        return tokens

    async def _breaks(self, fault: Fault | None, number: int) -> bool:
        """Whether the runner dies before piece ``number``. Raises ``Unreachable`` where the connection goes with it."""
        if fault and fault.how == "stall" and number == fault.after:
            await anyio.sleep(fault.seconds)
        if self.use.runner.gone or (fault and fault.how == "cut" and number >= fault.after):
            raise Unreachable("the simulated Ollama went away: connection reset")
        if fault and fault.how == "crash" and number >= fault.after:
            self.simulator.runners.kill(self.use.runner)
        return self.use.runner.dead

    def _slower(self, fault: Fault | None) -> float:
        spilled = SPILLED if self.use.runner.size > self.simulator.machine.metal else 1.0
        return spilled * (fault.factor if fault and fault.how == "slow" else 1.0)


async def _resumed(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for chunk in rest:
        yield chunk


def _parts(said: Plan) -> list[Said]:
    thinking = [Said(thinking=piece) for piece in said.thinking]
    calls = [Said(tool_calls=said.tool_calls)] if said.tool_calls else []
    return thinking + [Said(text=piece) for piece in said.content] + calls


def _joined(parts: list[Said]) -> Said:
    thinking = "".join(part.thinking or "" for part in parts)
    calls = [call for part in parts for call in part.tool_calls or []]
    return Said("".join(part.text for part in parts), thinking or None, calls or None)
