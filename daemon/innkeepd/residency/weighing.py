"""What the processes of loaded models really hold: Ollama counts none of what they grow by."""

from collections.abc import Callable

import anyio

from innkeepd.machine.runners import Runners, RunnersDoor
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.ledger import MemoryLedger
from innkeepd.residency.announcer import Announcer
from innkeepd.residency.catalog import Catalog

WEIGH_AFTER = 2.0
"""Seconds after the end of an answer at which the runners' processes are weighed, and the least between two times."""
WEIGH_EVERY = 30.0
"""Seconds after which they are weighed anew, while something is loaded: other programs may use it too."""


class RunnerWeights:
    """Weighs the runners when asked to, and posts what they hold. ``ledger`` is only read.

    ``version`` gives Ollama's version as it was last seen; ``remeasure`` is called when a runner was left behind.
    """

    def __init__(
        self,
        door: RunnersDoor | None,
        catalog: Catalog,
        ledger: MemoryLedger,
        *,
        post: Callable[[ev.Event], None],
        announcer: Announcer,
        version: Callable[[], str],
        remeasure: Callable[[], None],
    ) -> None:
        self.runners = Runners()
        """The processes as they were last seen."""
        self._door = door
        self._catalog = catalog
        self._ledger = ledger
        self._post = post
        self._announcer = announcer
        self._version = version
        self._remeasure = remeasure
        self._wanted = anyio.Event()
        self._is_urgent = False
        self._weighed_at = float("-inf")

    def __repr__(self) -> str:
        return f"<RunnerWeights of {len(self.runners.running)} running, {len(self.runners.orphans)} left behind>"

    def want(self, *, at_once: bool = False) -> None:
        """Something may have grown: weigh the processes soon. ``at_once``: a load has just ended, nothing grew yet."""
        self._is_urgent = self._is_urgent or at_once
        self._wanted.set()

    def is_due(self) -> bool:
        """Whether they were not weighed for long."""
        return anyio.current_time() - self._weighed_at >= WEIGH_EVERY

    async def run(self) -> None:
        """Weigh whenever it is wanted, not more often than every ``WEIGH_AFTER`` seconds; asleep while nobody asks."""
        while self._door is not None:
            await self._wanted.wait()
            if not self._is_urgent:
                await anyio.sleep(WEIGH_AFTER)
            self._wanted, self._is_urgent = anyio.Event(), False
            await self.weigh(self._door)

    async def weigh(self, door: RunnersDoor) -> None:
        """Look at the processes and post what each loaded model holds."""
        before = self._resident_since()
        look = await door.look()
        self._weighed_at = anyio.current_time()
        orphans, self.runners = self.runners.orphans, look
        if self._catalog.know_slots(look.parallel, look.server):
            self._post(ev.Known(self._catalog.specs()))
        if {runner.pid for runner in orphans} != {runner.pid for runner in look.orphans}:
            for runner in look.orphans:
                self._announcer.tell("backend", "runner left behind", {"pid": runner.pid, "bytes": runner.total})
            self._remeasure()
        # One that was loaded anew meanwhile is another process: its weight would be taken for growth.
        same = {weights for weights, since in self._resident_since().items() if before.get(weights) == since}
        held = [(runner.weights, runner.total, runner.private) for runner in look.running]
        weighed = tuple(
            ev.Weight(weights, total, private)
            for weights, total, private in held
            if weights in same and weights is not None and total is not None and private is not None
        )
        if weighed:
            self._post(ev.Weighed(weighed))
            self._learn({weight.weights for weight in weighed})

    def pid_of(self, weights: str) -> int | None:
        """The process that holds these weights; None where it is not known or gone."""
        pid = next((runner.pid for runner in self.runners.running if runner.weights == weights), None)
        return pid if pid is not None and self.is_alive(pid) else None

    def is_alive(self, pid: int) -> bool:
        """Whether a process still exists."""
        return self._door is not None and self._door.is_alive(pid)

    def _resident_since(self) -> dict[str, float]:
        return {r.weights: r.since for r in self._ledger.residents.values() if r.is_resident}

    def _learn(self, weighed: set[str]) -> None:
        estimates = self._catalog.estimates
        for resident in self._ledger.residents.values():
            if resident.weights in weighed and resident.is_resident:
                if resident.owned:
                    estimates.learned_footprint(resident.weights, resident.context, resident.settled, most=True)
                estimates.learned_growth(resident.weights, resident.context, self._version(), resident.grown)
