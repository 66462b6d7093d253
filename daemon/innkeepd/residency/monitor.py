"""Observes the world and posts what it sees: memory, and what Ollama holds."""

from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from innkeepd.backends.backend import Backend, BackendFault, Running
from innkeepd.machine.memory import MemoryDoor
from innkeepd.machine.runners import RunnersDoor
from innkeepd.policy.memory.budget import DEFAULT_MOST_LOADED, budget_of
from innkeepd.policy.memory.pressure import PressureGauge, sample_every
from innkeepd.policy.memory.reading import Reading
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.state import SchedulerState
from innkeepd.residency.announcer import Announcer
from innkeepd.residency.catalog import Catalog
from innkeepd.residency.clock import Clock
from innkeepd.residency.pulled import PulledModels
from innkeepd.residency.watch import Observation, Watch
from innkeepd.residency.weighing import RunnerWeights

FRESH = 2.0
"""Seconds that an observation is good for: somebody else may have loaded a model since. Time asleep counts."""
MEASURED_ANEW = 0.1
"""Seconds between two readings of memory for the sake of requests: a burst reads it once."""


class Monitor:
    """Reads the world and posts it. ``ready`` is set once Ollama has been asked what it holds.

    ``state`` is only read. ``woke`` is called when the machine has slept.
    """

    def __init__(
        self,
        backend: Backend,
        memory: MemoryDoor,
        catalog: Catalog,
        clock: Clock,
        state: SchedulerState,
        *,
        runners: RunnersDoor | None,
        tasks: TaskGroup,
        post: Callable[[ev.Event], None],
        announcer: Announcer,
        woke: Callable[[], None],
    ) -> None:
        self.gauge = PressureGauge()
        self.reading: Reading | None = None
        self.ready = anyio.Event()
        self.watch = Watch(backend, self._observed)
        self.pulled = PulledModels(
            backend,
            catalog,
            state.ledger,
            tasks=tasks,
            post=post,
            announcer=announcer,
            looked_up=lambda: self.watch.hurry(0.0),
        )
        self.weights = RunnerWeights(
            runners,
            catalog,
            state.ledger,
            post=post,
            announcer=announcer,
            version=lambda: (self.observation.version if self.observation else None) or "",
            remeasure=self.measure,
        )
        self._url = backend.url
        self._memory = memory
        self._catalog = catalog
        self._clock = clock
        self._state = state
        self._post = post
        self._announcer = announcer
        self._woke = woke
        self._is_blind = False
        self._seen_at = self._measured_at = self._distrusted_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Monitor, pressure {self.gauge.level}, last seen {self.observation!r}>"

    @property
    def observation(self) -> Observation | None:
        """What Ollama said last; None before the first look."""
        return self.watch.last

    # ---- time and memory ----

    def notice_sleep(self) -> None:
        """Let the clock catch up with what the machine slept."""
        if slept := self._clock.catch_up():
            self._announcer.tell("log", "woke from sleep", {"slept": slept})
            self.watch.hurry()
            self._woke()

    def look_anew(self) -> None:
        """Nothing that was seen so far counts: read memory, ask Ollama, and look at what is pulled and at runners."""
        self.distrust()
        self.measure()
        self.watch.hurry()
        self.pulled.look_anew()
        self.weights.want(at_once=True)

    def free_now(self) -> int | None:
        """Bytes free as Ollama counts them, read at this instant; None where they cannot be read."""
        try:
            return self._memory.read().free_now
        except OSError:
            return None

    def measure(self) -> None:
        """Read memory and post it; one that cannot be read now is as it was."""
        self.notice_sleep()
        self._measured_at = self._clock.now()
        try:
            reading = self.reading = self._memory.read()
        except OSError as error:  # no descriptor is left
            if not self._is_blind:
                self._is_blind = True
                self._announcer.report("the reading of memory, which stays as it was", error)
            return
        self._is_blind = False
        budget = budget_of(reading, self._catalog.policy)
        if budget is None:
            return
        if self._catalog.budget is None or self._catalog.budget.bytes != budget.bytes:
            self._catalog.budget = budget
            self._post(ev.Known(self._catalog.specs()))
        before = self.gauge.level
        pressure = self.gauge.feed(reading.pressure, self._clock.now(), reading.memorystatus_level, reading.swapouts)
        if pressure != before:
            self._announcer.tell("memory", f"pressure is {pressure}", {"pressure": pressure})
        runners = self.weights.runners
        room = max(0, budget.bytes - sum(runner.total or 0 for runner in runners.orphans))
        most = runners.most_loaded or DEFAULT_MOST_LOADED
        self._post(ev.Measured(room, reading.free_now, self.gauge.acted, budget.gpu_limit, most))

    # ---- what Ollama holds ----

    def _observed(self, seen: Observation, before: Observation | None) -> None:
        """Take what the watch saw."""
        self.notice_sleep()
        self._seen_at = seen.sent + self._clock.slept
        self._announce(seen, before)
        if seen.running and self.weights.is_due():
            self.weights.want()
        if seen.running is not None:
            if not self._catalog.models:
                self.pulled.look_anew()
            self.proved(seen.sent, seen.running)
        self.ready.set()

    def _announce(self, seen: Observation, before: Observation | None) -> None:
        tell = self._announcer.tell
        if before is None or before.reachable != seen.reachable:
            what = "reachable" if seen.reachable else "unreachable"
            tell("backend", what, {"url": self._url, "fault": seen.fault})
            self.weights.want()
        if seen.is_blocked and (fault := self.blocked_by()) is not None:
            tell("backend", "blocked", {"url": self._url, "fault": fault})
        if before is not None and before.version and seen.version and before.version != seen.version:
            tell("backend", "version changed", {"url": self._url, "from": before.version, "to": seen.version})
            self.pulled.look_anew()
            self.weights.want()

    def blocked_by(self) -> str | None:
        """Whose runner keeps ``/api/ps`` from answering, in words; None where it answers, or waits for our own load."""
        if self.observation is None or not self.observation.is_blocked or self._state.ledger.is_loading():
            return None
        resident = [r.weights for r in self._state.ledger.residents.values() if r.is_resident]
        suspects = [weights for weights in resident if self._state.leases.count(weights)] or resident
        names = " or ".join(self._catalog.name_of(weights) for weights in suspects)
        whose = f"the runner of {names}" if names else "a runner"
        return f"{whose} does not answer: Ollama lives, but /api/ps waits for it"

    def proved(self, sent: float, running: list[Running]) -> None:
        """Post what ``/api/ps`` said to a question of ``sent``."""
        unknown = self.pulled.unknown(line.name for line in running)
        known = [line for line in running if line.name not in unknown and not self._is_cloud(line.name)]
        at = sent + self._clock.slept
        epoch = self._clock.wall(0.0)
        before = set(self._state.ledger.residents)
        self._post(ev.Observed(at, tuple(self._seen(line) for line in known), epoch))
        for weights, resident in self._state.ledger.residents.items():
            if weights not in before and not resident.owned and self.ready.is_set():
                self._announcer.counts["foreign_loads"] += 1
                data = {"model": self._catalog.name_of(weights)}
                self._announcer.tell("residency", "loaded by another program", data)

    def _is_cloud(self, name: str) -> bool:
        model = self._catalog.find(name)
        return model is not None and bool(model.host)

    def _seen(self, line: Running) -> ev.Seen:
        """A line in the scheduler's words. The context of an MLX model is a label that its engine does not obey."""
        weights, model = self._catalog.weights_of(line.name), self._catalog.find(line.name)
        context = line.context
        if model is not None and model.is_mlx:
            context = self._catalog.context_of(weights)
            self._catalog.estimates.learned_footprint(weights, context, line.size, most=True)
        return ev.Seen(weights, line.size, context, line.expires, self._on_cpu(line))

    def _on_cpu(self, line: Running) -> int | None:
        """Bytes beside Metal's GPU. Elsewhere it says nothing: 0.33.0 tells a ``size_vram`` on a bare CPU too."""
        budget = self._catalog.budget
        has_gpu = budget is not None and budget.gpu_limit is not None
        return max(0, line.size - line.on_gpu) if line.on_gpu is not None and line.size and has_gpu else None

    async def insist(self) -> None:
        """Look at Ollama now. Raises ``BackendFault`` where it does not answer: nothing can be proved then."""
        await self.watch.observe_now()
        seen = self.observation
        if seen is not None and not seen.reachable:
            raise BackendFault("backend_unreachable", seen.fault or f"Ollama does not answer at {self._url}")

    async def refresh(self) -> None:
        """Know what holds before a decision: a model that somebody else threw out must not be granted."""
        if not self.ready.is_set():
            await self.ready.wait()
        self.notice_sleep()
        seen = self.observation
        if seen is not None and seen.is_blocked:
            return  # the watch goes on asking: nobody waits 7 s behind somebody else's runner
        since = max(self._clock.now() - FRESH, self._distrusted_at)
        if seen is None or not seen.reachable or self._seen_at < since or self.watch.is_stale:
            if self._clock.now() - self._measured_at > MEASURED_ANEW:
                self.measure()
            await self.watch.observe_now()

    def distrust(self) -> None:
        """What was seen so far holds no longer: look before the next decision."""
        self._distrusted_at = self._clock.now()

    # ---- again and again ----

    async def run(self) -> None:
        """Memory and what is pulled, then ``/api/ps`` again and again, until cancelled."""
        self.measure()
        await self.pulled.refresh()
        await self.watch.run()

    async def sample(self) -> None:
        """Read memory again and again, rarely when nothing happens, until cancelled."""
        while True:
            ledger = self._state.ledger
            pause = sample_every(
                changing=ledger.is_changing(),
                resident=bool(ledger.residents),
                connected=bool(self.watch.clients),
                pressure=self.gauge.acted,
            )
            await anyio.sleep(pause)
            self.measure()
