"""The engines elsewhere (``[[backends]]``): whether they answer, so that no request has to find out by waiting.

Each is asked once at the start what it serves, and while it is out of reach again and again: then it serves the moment
it is back, and not when its cooling ends. One that works is left alone; its answers show that it is well.
"""

from collections.abc import Callable, Mapping

import anyio

from innkeepd.backends.backend import Backend, BackendFault
from innkeepd.residency.catalog import Candidate
from innkeepd.residency.control import ResidencyControl

ASK_EVERY = 15.0
"""Seconds between two questions to an engine that is out of reach."""
ANSWER_WITHIN = 10.0
"""Seconds that it has to say what it serves."""


class HealthChecks:
    """Looks after the engines' health. ``warn`` is told, once, of names that an engine does not serve."""

    def __init__(
        self, control: ResidencyControl, backends: Mapping[str, Backend], *, warn: Callable[[str], None]
    ) -> None:
        self._control = control
        self._backends = backends
        self._warn = warn

    async def run(self) -> None:
        """Keep asking until cancelled; nothing to do where there are none."""
        if not self._backends:
            return
        await self._control.monitor.ready.wait()
        asked = list(self._backends)
        while True:
            async with anyio.create_task_group() as group:
                for name in asked:
                    group.start_soon(self._ask_safely, name)
            await anyio.sleep(ASK_EVERY)
            asked = [name for name in self._backends if self._is_away(name)]

    def _is_away(self, name: str) -> bool:
        cooling = self._control.scheduler.cooling
        return any(
            cooling[each.weights].code == "backend_unreachable"
            for each in self._models(name)
            if each.weights in cooling
        )

    async def _ask_safely(self, name: str) -> None:
        """A fault of ours at one engine is not the others'."""
        try:
            await self._ask(name)
        except Exception as error:  # noqa: BLE001
            self._control.report(f"the look after {name}", error)

    async def _ask(self, name: str) -> None:
        models = self._models(name)
        try:
            with anyio.fail_after(ANSWER_WITHIN):
                served = {model.name for model in await self._backends[name].pulled()}
        except (BackendFault, TimeoutError) as error:
            # Any other fault is no proof: many engines have no list, or show it to nobody.
            if models and (isinstance(error, TimeoutError) or error.code == "backend_unreachable"):
                self._control.judge(models[0], "backend_unreachable", str(error) or f"no answer in {ANSWER_WITHIN:g} s")
            return
        if self._is_away(name):
            self._control.judge(models[0])
        missing = [
            each.name for each in models if served and not served & spellings(each.name.removeprefix(f"{name}/"))
        ]
        if missing:
            some = ", ".join(sorted(served)[:5])
            self._warn(f"{self._backends[name].url} does not list {', '.join(missing)}; it has {some}")

    def _models(self, name: str) -> list[Candidate]:
        specs = self._control.scheduler.ledger.specs.values()
        return [Candidate(spec.weights, spec.weights, name) for spec in specs if spec.engine == name]


def spellings(name: str) -> set[str]:
    """What an engine may call a model of this name."""
    return {name, name.removesuffix(":latest"), f"{name}:latest"}
