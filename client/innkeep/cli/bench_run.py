"""Carries out the steps of ``innkeep bench`` over one connection, and keeps what each taught."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from secrets import token_hex

from msgspec import structs

from innkeep import wire
from innkeep.blocking import Client
from innkeep.cli.bench_plan import Step, prompt_text
from innkeep.cli.bench_result import ModelResult, Run
from innkeep.errors import ConnectionFailed, InnkeepError, QueueFull

PAUSE = 2.0
"""Seconds between two looks while others wait."""


class BenchRun:
    """One run. ``results`` are filled step by step, so that a run that was interrupted has them too."""

    def __init__(
        self, client: Client, models: Sequence[wire.ModelState], *, force: bool, sleep: Callable[[float], None]
    ) -> None:
        self.results = {
            one.name: ModelResult(one.name, one.parameters, one.quantization, one.context) for one in models
        }
        self._client = client
        self._force = force
        self._sleep = sleep
        self._before = {one.name for one in client.status().resident}
        self._unloaded = 0.0
        """Seconds that the unloads since the last load took."""

    def refuse_where_others_wait(self) -> None:
        """Raises ``QueueFull`` where somebody waits or is being answered."""
        others = self._others()
        if others and not self._force:
            raise QueueFull(f"{others} now; try again later, or measure all the same with --force")

    def _others(self) -> str:
        status = self._client.status()
        answering = sum(one.leases for one in status.resident)
        words = [f"{len(status.waiting)} requests wait"] if status.waiting else []
        return " and ".join(words + ([f"{answering} are being answered"] if answering else []))

    def do(self, step: Step, paused: Callable[[str], None]) -> None:
        """Carry out one step once nobody else wants anything; ``paused`` is told who does."""
        while not self._force and (others := self._others()):
            paused(others)
            self._sleep(PAUSE)
        match step.kind:
            case "unload":
                self._unload(step)
            case "load":
                self._load(step)
            case "chat":
                self._chat(step)

    def restore(self) -> None:
        """Unload what was not in memory before, so that the machine is as it was; a daemon that is gone is let be."""
        with suppress(InnkeepError):
            for one in self._client.status().resident:
                if one.name in self.results and one.name not in self._before:
                    self._client.unload(one.name)

    def _unload(self, step: Step) -> None:
        took = self._client.unload(step.model).took
        self._unloaded += took
        if step.what == "unload for the swap":
            self._keep(step.model, unload=took)

    def _load(self, step: Step) -> None:
        loaded = self._client.request(wire.Load(id=0, model=step.model, priority="batch"))
        took = loaded.took if isinstance(loaded, wire.Loaded) else None
        unloaded, self._unloaded = self._unloaded, 0.0
        if step.what == "cold load":
            self._keep(step.model, cold_load=took)
        elif took is not None:
            self._keep(step.model, swap=unloaded + took)

    def _chat(self, step: Step) -> None:
        # No temperature 0: where a model then repeats itself, Ollama ends the answer without its figures.
        options = {"seed": 1, "num_predict": step.answer}
        text = prompt_text(step, token_hex(8))
        chat = wire.Chat(
            id=0,
            messages=[wire.Message("user", text)],
            model=step.model,
            options=options,
            priority="batch",
            session=None,
        )
        try:
            done = self._client.request(chat)
        except ConnectionFailed:
            raise
        except InnkeepError as error:
            self._keep(step.model, notes=[*self.results[step.model].notes, f"{step.what}: {error.message}"])
            return
        if not isinstance(done, wire.Done) or step.what == "warm up":
            self._weigh(step.model)
            return
        times, usage = done.timings, done.usage
        run = Run(
            step.language,
            usage.prompt_tokens,
            times.first_token,
            times.prompt_per_second,
            times.tokens_per_second,
            usage.completion_tokens,
        )
        self._keep(step.model, runs=[*self.results[step.model].runs, run])
        self._weigh(step.model)

    def _weigh(self, name: str) -> None:
        for one in self._client.status().resident:
            if one.name == name:
                self._keep(name, memory=one.footprint, process=one.process)

    def _keep(self, name: str, **found: object) -> None:
        self.results[name] = structs.replace(self.results[name], **found)


def sleep(seconds: float) -> None:
    """As ``time.sleep``; a test has its own."""
    time.sleep(seconds)
