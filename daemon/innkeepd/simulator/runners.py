"""Which runners stand in memory, and Ollama's own scheduler with all its traps.

There is no task here: an expiry is noticed when somebody looks (``settle``), and a load runs in the task of the
request that needs it. Kept from ``server/sched.go``: a resident model is served at once, everybody else waits in one
line with one load at a time; another context reloads; what can never fit costs every resident model before it is
refused; beside others a model is admitted only up to 80 % of what is free; an unload waits for the answers that run;
names of the same weights share a runner.
"""

import math
from collections.abc import Callable

import anyio

from innkeepd.simulator.catalog import GIB, Pulled
from innkeepd.simulator.faults import LOAD, MISSING_TENSOR, QUEUE_FULL, UNLOAD, Fault, Faults, Refusal
from innkeepd.simulator.journal import Journal, Loaded, Unloaded
from innkeepd.simulator.machine import Machine

VANISH = 0.2
"""Seconds between the end of the last answer and leaving ``/api/ps`` (measured: within 0.3 s)."""
RETURN = 1.0
"""Seconds in which memory comes back after that."""


class Runner:
    """One model's process.

    ``busy`` counts the requests that hold it, those in its line too; infinite ``expires`` is for ever.
    """

    def __init__(self, model: Pulled, context: int, size: int, keep: float, slots: int) -> None:
        self.model = model
        self.context = context
        self.size = size
        self.keep = keep
        self.expires = math.inf
        self.busy = 0
        self.ready = False
        self.dead = False
        """The process died; ``/api/ps`` does not know."""
        self.gone = False
        """The whole server went away."""
        self.why = "expired"
        self.stuck_until = -math.inf
        self.slots = anyio.Semaphore(slots)

    def __repr__(self) -> str:
        return f"<Runner {self.model.name} context={self.context} busy={self.busy} expires={self.expires:.1f}>"

    def shown_until(self) -> float:
        """The ``expires_at`` of ``/api/ps``, on the clock; a loading one's is a guess, as Ollama's is."""
        return self.expires if self.ready else anyio.current_time() + self.keep

    def serves(self, context: int, now: float) -> bool:
        """Whether a request for this context can have it as it stands."""
        leaving = self.busy == 0 and self.expires <= now
        return self.ready and not self.dead and not leaving and self.context == context


class Use:
    """A request's hold on a runner; ``release`` may be called twice."""

    def __init__(self, runners: "Runners", runner: Runner) -> None:
        self.runner = runner
        self._runners = runners
        self._held = True
        self._slot = False
        runner.busy += 1

    async def slot(self) -> None:
        """Wait for one of the runner's slots, first come, first served."""
        await self.runner.slots.acquire()
        self._slot = True

    def release(self) -> None:
        """Let go; the last one starts the runner's keep-alive."""
        if not self._held:
            return
        self._held = False
        if self._slot:
            self.runner.slots.release()
        self._runners.released(self.runner)


class Runners:
    """All runners by weights, in the order in which they were loaded."""

    def __init__(
        self, machine: Machine, faults: Faults, journal: Journal, *, speed: float, parallel: int, max_queue: int,
        heavy_parameters: int, clock: Callable[[], float] = anyio.current_time,
    ) -> None:  # fmt: skip
        self.machine = machine
        self.faults = faults
        self.journal = journal
        self.speed = speed
        self.parallel = parallel
        self.max_queue = max_queue
        self.heavy_parameters = heavy_parameters
        self.waiting = 0
        self._clock = clock
        self._turn = anyio.Lock()
        self._changed = anyio.Event()
        self._standing: dict[str, Runner] = {}

    # Looking

    def standing(self) -> list[Runner]:
        """Everybody in ``/api/ps``, the expired ones gone."""
        self.settle()
        return list(self._standing.values())

    def find(self, model: Pulled) -> Runner | None:
        """The runner of these weights, whatever name it was loaded by."""
        self.settle()
        return self._standing.get(model.blob)

    def settle(self) -> None:
        """Let go of every idle runner whose time has come."""
        now = self._clock()
        for runner in list(self._standing.values()):
            gone = max(runner.expires + VANISH / self.speed, runner.stuck_until)
            if runner.ready and runner.busy == 0 and gone <= now:
                self._remove(runner, runner.why, at=gone)

    # Using

    async def use(self, model: Pulled, context: int, keep: float) -> Use:
        """Hold the model's runner at this context, after loading it where that is needed. Raises ``Refusal``."""
        runner = self.find(model)
        if runner is None or not runner.serves(context, self._clock()):
            runner = await self._wait_and_bring(model, context, keep)
        runner.keep = keep
        runner.why = "expired"
        return Use(self, runner)

    def released(self, runner: Runner) -> None:
        """A request is done with a runner."""
        runner.busy -= 1
        if runner.busy == 0:
            runner.expires = self._clock() + max(0.0, runner.keep)
        self._tell()

    def expire(self, model: Pulled, why: str = "asked") -> None:
        """Let a runner go as soon as nobody uses it; nothing happens where there is none."""
        runner = self.find(model)
        if runner is not None and runner.ready:
            stuck = runner.stuck_until > self._clock()
            if not stuck and (fault := self.faults.take(UNLOAD, runner.model.name)):
                runner.stuck_until = self._clock() + fault.seconds
            runner.keep, runner.expires, runner.why = 0.0, min(runner.expires, self._clock()), why
            self._tell()

    def kill(self, runner: Runner) -> None:
        """The process dies: its memory is back at once, ``/api/ps`` goes on listing it."""
        runner.dead = True
        self.machine.give_back(runner.model.blob, 0.0)
        self._note()

    def stop(self) -> None:
        """The server stops: every process is gone."""
        for runner in list(self._standing.values()):
            runner.gone = True
            self._remove(runner, "stopped")

    # Loading

    async def _wait_and_bring(self, model: Pulled, context: int, keep: float) -> Runner:
        if self.waiting >= self.max_queue:
            raise Refusal(503, QUEUE_FULL)
        self.waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self.waiting -= 1
        try:
            runner = self.find(model)
            if runner is not None and runner.serves(context, self._clock()):
                return runner
            if runner is not None:
                await self._evict(runner, "crash" if runner.dead else "reload")
            await self._make_room(model, context)
            return await self._load(model, context, keep)
        finally:
            self._turn.release()

    async def _make_room(self, model: Pulled, context: int) -> None:
        size = model.footprint(context, self.parallel)
        fault = self.faults.take(frozenset({"out_of_memory"}), model.name)
        if fault is not None or size > self.machine.free_alone():
            for runner in self.standing():
                await self._evict(runner, "evicted")
            available = min(self.machine.free_alone(), size * 3 // 4) if fault else self.machine.free_alone()
            gib = f"({size / GIB:.1f} GiB) than is available ({available / GIB:.1f} GiB)"
            raise Refusal(500, f"model requires more system memory {gib}")
        while others := self.standing():
            if size <= 0.8 * min(self.machine.metal, self.machine.system_free()):
                return
            await self._evict(min(others, key=lambda runner: (runner.busy > 0, runner.keep)), "evicted")

    async def _evict(self, runner: Runner, why: str) -> None:
        """Make a runner leave, and wait until it has; a busy one finishes first."""
        while self._standing.get(runner.model.blob) is runner:
            self.expire(runner.model, why)
            changed, now = self._changed, self._clock()
            gone = max(runner.expires + VANISH / self.speed, runner.stuck_until)
            with anyio.move_on_after(math.inf if runner.busy else max(0.0, gone - now)):
                await changed.wait()
            self.settle()

    async def _load(self, model: Pulled, context: int, keep: float) -> Runner:
        fault = self.faults.take(LOAD, model.name)
        seconds = model.load_seconds * (fault.factor if fault and fault.how == "slow_load" else 1.0) / self.speed
        runner = Runner(model, context, model.footprint(context, self.parallel), keep, self.parallel)
        now = self._clock()
        self._standing[model.blob] = runner
        self.machine.take(model.blob, runner.size, seconds)
        self.journal.loads.append(Loaded(now, model.name, model.blob, context, runner.size))
        self._note()
        try:
            await self._fill(fault, seconds)
        except BaseException as end:
            self._remove(runner, "failed" if isinstance(end, Refusal) else "aborted")
            raise
        if self._standing.get(model.blob) is not runner:
            raise Refusal(500, MISSING_TENSOR)
        runner.ready, runner.expires = True, self._clock() + max(0.0, keep)
        self._tell()
        return runner

    async def _fill(self, fault: Fault | None, seconds: float) -> None:
        if fault is not None and fault.how == "load_hang":
            await anyio.sleep(fault.seconds)
        if fault is not None and fault.how == "load_failure":
            await anyio.sleep(0.3 / self.speed)
            raise Refusal(500, MISSING_TENSOR)
        await anyio.sleep(seconds)

    # Telling

    def _remove(self, runner: Runner, why: str, at: float | None = None) -> None:
        if self._standing.get(runner.model.blob) is not runner:
            return
        del self._standing[runner.model.blob]
        if not runner.dead:
            self.machine.give_back(runner.model.blob, RETURN / self.speed, at)
        self.journal.unloads.append(Unloaded(self._clock() if at is None else at, runner.model.name, why))
        self._note(at)
        self._tell()

    def _note(self, at: float | None = None) -> None:
        living = [runner.model for runner in self._standing.values() if not runner.dead]
        heavy = frozenset(model.name for model in living if model.parameters >= self.heavy_parameters)
        self.journal.note_residents(self._clock() if at is None else at, frozenset(m.name for m in living), heavy)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
