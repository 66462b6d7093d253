"""One question, from the runner to the last piece: the engine's timing, and its failures in the middle of it."""

import json
from collections.abc import AsyncGenerator

import anyio
from msgspec import Struct

from innkeepd.simulator import remote, texts
from innkeepd.simulator.answer import LINES, V1_JSON, SimAnswer, json_answer, whole
from innkeepd.simulator.asked import Asked, joined, spoken
from innkeepd.simulator.catalog import Pulled
from innkeepd.simulator.dialect import Dialect, Said, Tally
from innkeepd.simulator.faults import ANSWER, Disconnected, Fault, Refusal, in_prompt
from innkeepd.simulator.journal import Read
from innkeepd.simulator.native import Native
from innkeepd.simulator.overflow import Fitted, Prompt, longest_answer
from innkeepd.simulator.runner import Use
from innkeepd.simulator.state import State
from innkeepd.simulator.text import Plan, count, plan

TEMPLATE_TOKENS = 4
"""Tokens that a chat template adds to a prompt, about."""

SPILLED = 3.0
"""How many times slower a model is that Metal's memory does not hold whole, about."""

MOST_EQUAL = 30
"""Equal pieces in a row after which Ollama ends an answer without a last record."""


async def idle(state: State, asked: Asked, native: Native) -> SimAnswer:
    """A request without a prompt: load, or unload where ``keep_alive`` is 0. Raises ``Refusal``."""
    model = state.find(asked.model)
    if model.remote_host:
        remote.send(state, asked, model)
        return json_answer(native.idle("unload" if asked.keep == 0 else "load"))
    if asked.keep == 0:
        state.runners.expire(model)
        return json_answer(native.idle("unload"))
    can(state, model, asked, "chat" if asked.is_chat else "generate")
    use = await state.runners.use(model, state.launch(model, asked), asked.keep)
    use.release()
    return json_answer(native.idle("load"))


async def answer(state: State, asked: Asked, dialect: Dialect) -> SimAnswer:
    """Answer in a dialect, streamed or not; the runner is held until the end, or until the client disconnects.

    Raises ``Refusal``.
    """
    model = state.find(asked.model)
    can(state, model, asked, "chat" if asked.is_chat or asked.is_v1 else "generate")
    began = anyio.current_time()
    if model.remote_host:
        use = remote.send(state, asked, model)
    else:
        use = await state.runners.use(model, state.launch(model, asked), asked.keep)
    loaded = anyio.current_time()
    try:
        await use.slot()
        spoken = Speaking(state, asked, model, use, dialect, began, loaded).chunks()
        first = await anext(spoken, None)
    except BaseException as end:
        use.release()
        if not isinstance(end, Refusal | Disconnected):
            state.journal.left.append(model.name)
        raise
    if first is None:  # the stream has ended before its first record, and the head was never set
        return SimAnswer(200, {"content-type": LINES}, spoken, spoken.aclose)
    if not asked.stream:
        await spoken.aclose()
        return whole(first, dialect.plain_type)
    return SimAnswer(200, {"content-type": dialect.stream_type}, _resumed(first, spoken), spoken.aclose)


def can(state: State, model: Pulled, asked: Asked, wants: str) -> None:
    """Raises ``Refusal`` where the model can't do what is asked, or its file is damaged."""
    if "completion" not in model.capabilities or model.damage in ("garbled", "gone"):
        raise Refusal(400, f'"{asked.model}" does not support {wants}')
    thinks = asked.think or (asked.effort and state.release.types_v1_errors)
    if thinks and "thinking" not in model.capabilities:
        raise Refusal(400, f'"{asked.model}" does not support thinking')
    if asked.tools and "tools" not in model.capabilities:
        raise Refusal(400, f"{model.full_name} does not support tools")
    if model.damage == "cut":
        raise Refusal(500, texts.CUT_FILE)


class Speaking(Struct):
    """An answer on its way. ``began`` is the clock at the request, ``loaded`` when the runner was there."""

    state: State
    asked: Asked
    model: Pulled
    use: Use
    dialect: Dialect
    began: float
    loaded: float

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The dialect's bytes; a whole answer is the only item where nothing is streamed."""
        asked, seated = self.asked, anyio.current_time()
        fault = self.state.faults.take(ANSWER, self.model.name) or in_prompt(asked.text)
        try:
            fitted = await self._prefill(fault)
        except Refusal as refused:
            if asked.stream:  # Ollama leaves the charset out here
                refused.content_type = V1_JSON
            raise
        ready, out, finished = anyio.current_time(), list[Said](), False
        said = plan(asked, self.model, self.state.seed, self._longest(fitted))
        try:
            for number, part in enumerate(_parts(said)):
                await anyio.sleep(self._slower(fault) / self.model.decode / self.state.speed)
                if self._is_lost(fault, number, out, part):
                    finished = True
                    if not asked.stream:
                        yield self.dialect.lost(_joined(out) if out else None)
                    return
                if await self._breaks(fault, number):
                    if not asked.stream or not out:
                        raise Refusal(500, texts.UNEXPECTED_EOF)
                    finished = True
                    if broken := self.dialect.broken(texts.UNEXPECTED_EOF):
                        yield broken
                    return
                out.append(part)
                if asked.stream:
                    yield self.dialect.piece(part)
            now = anyio.current_time()
            tally = Tally(
                said.reason, fitted.tokens, said.evaluated, now - self.began, self.loaded - self.began,
                ready - seated, now - ready,
            )  # fmt: skip
            self._remember(fitted, _joined(out), said.evaluated)
            finished = True
            self.use.release()
            yield self.dialect.finish(tally) if asked.stream else self.dialect.whole(_joined(out), tally)
        finally:
            if not finished and asked.stream and out:
                self.state.journal.left.append(self.model.name)
            self.use.release()

    async def _prefill(self, fault: Fault | None) -> Fitted:
        """Read the prompt, less what the runner has read before; returns what was read of it. Raises ``Refusal``."""
        how, runner, state, release = fault.how if fault else "", self.use.runner, self.state, self.state.release
        if runner.dead or how == "runner_dies_before":
            state.runners.kill(runner)
            raise Refusal(500, release.texts.runner_died)
        if runner.broken:
            raise Refusal(500, texts.COMPUTE_ERROR)
        self._check_format()
        if self.asked.images and "vision" not in self.model.capabilities and release.refuses_images:
            raise Refusal(400, texts.NO_IMAGES)
        fitted = release.fit(self._prompt())
        text = joined(fitted.messages, self.asked.offered)
        cached = runner.cache.cached(text, fitted.tokens)
        await anyio.sleep(self._slower(fault) * (fitted.tokens - cached) / self.model.prefill / state.speed)
        if how == "metal_out_of_memory":
            if release.lets_everybody_go:
                state.runners.let_everybody_go()
            raise Refusal(500, release.texts.metal_out_of_memory)
        if fault and how == "hang":
            await anyio.sleep(fault.seconds)
        runner.cache.keep(text, fitted.tokens, cached)
        state.journal.reads.append(Read(anyio.current_time(), self.model.name, fitted.tokens, cached))
        state.runners.grown(runner)
        return fitted

    def _check_format(self) -> None:
        """Raises ``Refusal`` 500 for a ``format`` that is none."""
        if self.asked.format is not None and self.asked.format != "json" and not isinstance(self.asked.format, dict):
            said = json.dumps(json.dumps(self.asked.format))
            raise Refusal(500, f'invalid format: {said}; expected "json" or a valid JSON Schema object')

    def _prompt(self) -> Prompt:
        asked = self.asked
        return Prompt(
            messages=asked.messages,
            count=lambda messages: count(joined(messages, asked.offered)) + TEMPLATE_TOKENS,
            context=self.use.runner.limit,
            truncate=asked.truncate,
            shift=self.use.runner.launch.shift,
            num_keep=asked.num_keep,
            renders_itself=self.model.renders_itself and asked.is_chat,
        )

    def _longest(self, fitted: Fitted) -> int | None:
        own, shift = self.model.options.get("num_predict"), self.use.runner.launch.shift
        if self.state.release.shifts_by_request:
            shift = self.asked.shift is not False
        asked = self.asked.num_predict if self.asked.num_predict is not None else own
        return longest_answer(asked, fitted.tokens, self.use.runner.limit, shift=shift)

    def _remember(self, fitted: Fitted, said: Said, evaluated: int) -> None:
        """The runner keeps the conversation, so that the next turn need not read it again."""
        runner, answer = self.use.runner, spoken({"content": said.text, "tool_calls": said.tool_calls})
        text = joined([*fitted.messages, ("assistant", answer)], self.asked.offered)
        runner.cache.keep(text, fitted.tokens + evaluated, fitted.tokens)
        runner.longest = max(runner.longest, min(fitted.tokens + evaluated, runner.limit))
        self.state.runners.grown(runner)

    def _is_lost(self, fault: Fault | None, number: int, out: list[Said], part: Said) -> bool:
        """Whether the answer ends here without a last record."""
        if fault and fault.how in ("lost", "metal_lost") and number >= fault.after:
            self.use.runner.broken = fault.how == "metal_lost"
            return True
        last = [each.text for each in out[-MOST_EQUAL - 1 :]]
        return not self.model.renders_itself and len(last) > MOST_EQUAL and set(last) == {part.text}

    async def _breaks(self, fault: Fault | None, number: int) -> bool:
        """Whether the runner dies before piece ``number``. Raises ``Disconnected`` where its connection ends too."""
        if fault and fault.how == "stall" and number == fault.after:
            await anyio.sleep(fault.seconds)
        if self.use.runner.gone or (fault and fault.how == "cut" and number >= fault.after):
            raise Disconnected("the simulated Ollama went away: connection reset")
        if fault and fault.how == "crash" and number >= fault.after:
            self.state.runners.kill(self.use.runner)
        return self.use.runner.dead

    def _slower(self, fault: Fault | None) -> float:
        spilled = SPILLED if self.use.runner.size > self.state.machine.metal else 1.0
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
