"""What the keeper knows of the world: memory, what Ollama holds and has on its disk, and how long the machine slept."""

from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from innkeepd.backends.backend import Backend, BackendFault, Running
from innkeepd.machine.memory import MemoryDoor
from innkeepd.machine.runners import Runners, RunnersDoor
from innkeepd.machine.sleep import SleepWatch
from innkeepd.policy.memory.admission import DEFAULT_MOST_LOADED
from innkeepd.policy.memory.budget import budget_of
from innkeepd.policy.memory.pressure import PressureGauge, sample_every
from innkeepd.policy.memory.reading import Reading
from innkeepd.policy.scheduling import events as ev
from innkeepd.residency.watch import Observation, Watch

if TYPE_CHECKING:
    from innkeepd.residency.supervisor import Supervisor

WEIGH_AFTER = 2.0
"""Seconds after the end of an answer at which the runners' processes are weighed, and the least between two times."""
WEIGH_EVERY = 30.0
"""Seconds after which they are weighed anew, while something is loaded: other programs may use it too."""
READ_WITHIN = 10.0
"""Seconds for the list of what is pulled: an Ollama that accepts and never answers must not keep everybody waiting."""


class Monitor:
    """Reads the world and posts what it finds. ``ready`` is set once Ollama has been asked what it holds."""

    def __init__(
        self,
        keeper: "Supervisor",
        backend: Backend,
        memory: MemoryDoor,
        *,
        tasks: TaskGroup,
        sleep_watch: SleepWatch | None,
        runners: RunnersDoor | None = None,
    ) -> None:
        self.gauge = PressureGauge()
        self.reading: Reading | None = None
        self.observation: Observation | None = None
        self.ready = anyio.Event()
        self.watch = Watch(backend, self.observe)
        self.slept = 0.0
        self.seen_at = self.measured_at = float("-inf")
        """When the last observation was asked for and memory was read last, on the keeper's clock."""
        self._is_blind = False
        self._keeper = keeper
        self._memory = memory
        self._tasks = tasks
        self._sleep_watch = sleep_watch
        self.runners = Runners()
        """The processes as they were last seen."""
        self._door = runners
        self._weigh_wanted = anyio.Event()
        self._weigh_at_once = False
        self._weighed_at = float("-inf")
        self._strangers: set[str] = set()
        self._learning = self._learn_again = False
        self._read_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Senses, pressure {self.gauge.level}, last seen {self.observation!r}>"

    # ---- time and memory ----

    def notice_sleep(self) -> None:
        """Let the keeper's clock catch up with what the machine slept."""
        slept = self._sleep_watch.slept() if self._sleep_watch else 0.0
        if slept:
            self.slept += slept
            self._keeper.tell("log", "woke from sleep", {"slept": slept})
            self.watch.hurry()
            self._keeper.ring_anew()

    def free_now(self) -> int | None:
        """Bytes free as Ollama counts them, read at this instant; None where they cannot be read."""
        try:
            return self._memory.read().free_now
        except OSError:
            return None

    def measure(self) -> None:
        """Read memory and tell the scheduler; one that cannot be read now is as it was."""
        self.notice_sleep()
        self.measured_at = self._keeper.now()
        try:
            reading = self.reading = self._memory.read()
        except OSError as error:  # no descriptor is left
            if not self._is_blind:
                self._is_blind = True
                self._keeper.report("the reading of memory, which stays as it was", error)
            return
        self._is_blind = False
        budget = budget_of(reading, self._keeper.catalog.policy)
        if budget is None:
            return
        if self._keeper.catalog.budget is None or self._keeper.catalog.budget.bytes != budget.bytes:
            self._keeper.catalog.budget = budget
            self._keeper.post(ev.Known(self._keeper.catalog.specs()))
        before = self.gauge.level
        pressure = self.gauge.feed(reading.pressure, self._keeper.now())
        if pressure != before:
            self._keeper.tell("memory", f"pressure is {pressure}", {"pressure": pressure})
        orphaned = sum(runner.total or 0 for runner in self.runners.orphans)
        most = self.runners.most_loaded or DEFAULT_MOST_LOADED
        room = max(0, budget.bytes - orphaned)
        self._keeper.post(ev.Measured(room, reading.free_now, pressure, budget.gpu_limit, most))

    # ---- what Ollama holds ----

    def observe(self, seen: Observation) -> None:
        """Take what the watch saw."""
        self.notice_sleep()
        before = self.observation
        self.observation = seen
        self.seen_at = seen.sent + self.slept
        if before is None or before.reachable != seen.reachable:
            self._keeper.tell(
                "backend",
                "reachable" if seen.reachable else "unreachable",
                {"url": self._keeper.backend.url, "fault": seen.fault},
            )
            self.want_weigh()
        if seen.is_blocked and (fault := self.blocked_by()) is not None:
            self._keeper.tell("backend", "blocked", {"url": self._keeper.backend.url, "fault": fault})
        if before is not None and before.version and seen.version and before.version != seen.version:
            data = {"url": self._keeper.backend.url, "from": before.version, "to": seen.version}
            self._keeper.tell("backend", "version changed", data)
            self.look_anew()
            self.want_weigh()
        if seen.running and anyio.current_time() - self._weighed_at >= WEIGH_EVERY:
            self.want_weigh()
        if seen.running is not None:
            if not self._keeper.catalog.models:
                self.look_anew()
            self.proved(seen.sent, seen.running)
        self.ready.set()

    def blocked_by(self) -> str | None:
        """Whose runner keeps ``/api/ps`` from answering, in words; None where it answers, or waits for our own load."""
        house = self._keeper.scheduler.house
        if self.observation is None or not self.observation.is_blocked or house.is_loading():
            return None
        resident = [r.weights for r in house.residents.values() if r.is_resident]
        suspects = [weights for weights in resident if self._keeper.scheduler.leases.count(weights)] or resident
        names = " or ".join(self._keeper.name_of(weights) for weights in suspects)
        whose = f"the runner of {names}" if names else "a runner"
        return f"{whose} does not answer: Ollama lives, but /api/ps waits for it"

    def proved(self, sent: float, running: list[Running]) -> None:
        """Take what ``/api/ps`` said to a question of ``sent``."""
        unknown = {line.name for line in running if not self._keeper.catalog.find(line.name)} - self._strangers
        if unknown and not self._learning:
            self._learning = True
            self._tasks.start_soon(self._learn, unknown)
        told = [line for line in running if line.name not in unknown and not self._is_cloud(line.name)]
        lines = tuple(self._seen(line) for line in told)
        known = set(self._keeper.scheduler.house.residents)
        self._keeper.post(ev.Observed(sent + self.slept, lines))
        for weights, resident in self._keeper.scheduler.house.residents.items():
            if weights not in known and not resident.owned and self.ready.is_set():
                self._keeper.counts.foreign_loads += 1
                self._keeper.tell("residency", "loaded by another program", {"model": self._keeper.name_of(weights)})

    def _is_cloud(self, name: str) -> bool:
        model = self._keeper.catalog.find(name)
        return model is not None and bool(model.host)

    def _seen(self, line: Running) -> ev.Seen:
        """A line in the scheduler's words. The context of an MLX model is a label that its engine does not obey."""
        weights, model = self._keeper.weights_of(line.name), self._keeper.catalog.find(line.name)
        if model is None or not model.is_mlx:
            return ev.Seen(weights, line.size, line.context, line.expires, self._on_cpu(line))
        context = self._keeper.catalog.context_of(weights)
        self._keeper.catalog.estimates.learned_footprint(weights, context, line.size, most=True)
        return ev.Seen(weights, line.size, context, line.expires, self._on_cpu(line))

    def _on_cpu(self, line: Running) -> int | None:
        """Bytes beside Metal's GPU. Elsewhere it says nothing: 0.33.0 tells a ``size_vram`` on a bare CPU too."""
        budget = self._keeper.catalog.budget
        has_gpu = budget is not None and budget.gpu_limit is not None
        return max(0, line.size - line.on_gpu) if line.on_gpu is not None and line.size and has_gpu else None

    async def insist(self) -> None:
        """Look at Ollama now. Raises ``BackendFault`` where it does not answer: nothing can be proved then."""
        await self.watch.observe_now()
        seen = self.observation
        if seen is not None and not seen.reachable:
            text = seen.fault or f"Ollama does not answer at {self._keeper.backend.url}"
            raise BackendFault("backend_unreachable", text)

    # ---- what the processes hold ----

    def want_weigh(self, *, at_once: bool = False) -> None:
        """Something may have grown: weigh the processes soon. ``at_once``: a load has just ended, nothing grew yet."""
        self._weigh_at_once = self._weigh_at_once or at_once
        self._weigh_wanted.set()

    async def weigh_on_demand(self) -> None:
        """Weigh whenever it is wanted, not more often than every ``WEIGH_AFTER`` seconds; asleep while nobody asks."""
        while self._door is not None:
            await self._weigh_wanted.wait()
            if not self._weigh_at_once:
                await anyio.sleep(WEIGH_AFTER)
            self._weigh_wanted, self._weigh_at_once = anyio.Event(), False
            await self.weigh(self._door)

    async def weigh(self, door: RunnersDoor) -> None:
        """Look at the processes and tell the scheduler what each loaded model holds."""
        before = self._resident_since()
        look = await door.look()
        self._weighed_at = anyio.current_time()
        orphans, self.runners = self.runners.orphans, look
        if {runner.pid for runner in orphans} != {runner.pid for runner in look.orphans}:
            for runner in look.orphans:
                self._keeper.tell("backend", "runner left behind", {"pid": runner.pid, "bytes": runner.total})
            self.measure()
        # One that was loaded anew meanwhile is another process: its weight would be taken for growth.
        same = {weights for weights, since in self._resident_since().items() if before.get(weights) == since}
        held = [(runner.weights, runner.total, runner.private) for runner in look.running]
        told = tuple(
            ev.Weight(weights, total, private)
            for weights, total, private in held
            if weights in same and weights is not None and total is not None and private is not None
        )
        if told:
            self._keeper.post(ev.Weighed(told))
            self._learn_growth({weight.weights for weight in told})

    def pid_of(self, weights: str) -> int | None:
        """The process that holds these weights; None where it is not known or gone."""
        pid = next((runner.pid for runner in self.runners.running if runner.weights == weights), None)
        return pid if pid is not None and self.is_alive(pid) else None

    def is_alive(self, pid: int) -> bool:
        """Whether a process still exists."""
        return self._door is not None and self._door.is_alive(pid)

    def _resident_since(self) -> dict[str, float]:
        return {r.weights: r.since for r in self._keeper.scheduler.house.residents.values() if r.is_resident}

    def _learn_growth(self, weighed: set[str]) -> None:
        version = (self.observation.version if self.observation else None) or ""
        for resident in self._keeper.scheduler.house.residents.values():
            if resident.weights in weighed and resident.is_resident:
                estimates = self._keeper.catalog.estimates
                if resident.owned:
                    estimates.learned_footprint(resident.weights, resident.context, resident.settled, most=True)
                estimates.learned_growth(resident.weights, resident.context, version, resident.grown)

    # ---- what Ollama has on its disk ----

    def look_anew(self) -> None:
        """Somebody changed what is pulled: read it soon, and once more where it is just being read."""
        if self._learning:
            self._learn_again = True
        else:
            self._learning = True
            self._tasks.start_soon(self._learn, set[str]())

    async def _learn(self, names: set[str]) -> None:
        """Find out what stands behind new names in ``/api/ps``; until then they are left out of account."""
        try:
            if await self.refresh():
                self._strangers |= {name for name in names if not self._keeper.catalog.find(name)}
                self.watch.hurry(0.0)
        except Exception as error:  # noqa: BLE001
            self._keeper.report("the look at what is pulled", error)
        finally:
            self._learning = False
            if self._learn_again:
                self._learn_again = False
                self.look_anew()

    def knows_for(self) -> float:
        """Seconds since what is pulled was read."""
        return anyio.current_time() - self._read_at

    async def refresh(self) -> bool:
        """Read what is pulled. False where the backend does not answer."""
        left_out = self._keeper.catalog.left_out
        try:
            with anyio.fail_after(READ_WITHIN):
                self._keeper.catalog.update(await self._keeper.backend.pulled())
        except (BackendFault, TimeoutError):
            return False
        for name, why in self._keeper.catalog.left_out.items():
            if name not in left_out:
                self._keeper.tell("log", "a model is left out", {"model": name, "why": why})
        self._read_at = anyio.current_time()
        self._keeper.post(ev.Known(self._keeper.catalog.specs()))
        for name in self._keeper.pins:
            self._keeper.post(ev.PinSet(self._keeper.weights_of(name)))
        return True

    # ---- again and again ----

    async def sample(self) -> None:
        """Memory and renewals, rarely when nothing happens."""
        while True:
            house = self._keeper.scheduler.house
            pause = sample_every(
                changing=house.is_changing(),
                resident=bool(house.residents),
                connected=bool(self._keeper.clients),
                pressure=self.gauge.level,
            )
            await anyio.sleep(pause)
            self.measure()
            self._keeper.porter.renew_stays()
