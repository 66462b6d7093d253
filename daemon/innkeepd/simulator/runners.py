"""The loaded runners, and Ollama's own scheduler with all its traps.

There is no task here: an expiry is noticed at the next access (``settle``), and a load runs in the task of the
request that needs it. Kept from ``server/sched.go``: a resident model is served at once, everybody else waits in one
line with one load at a time; another launch attribute reloads; what can never fit costs every resident model before it
is refused; beside others a model is admitted only up to 80 % of what is free; an unload waits for the answers that run;
names of the same weights share a runner.
"""

import math
from collections.abc import Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import anyio

from innkeepd.simulator.asked import KEEP_ALIVE
from innkeepd.simulator.catalog import GIB, Pulled
from innkeepd.simulator.faults import FROZEN, LOAD, UNLOAD, Fault, Faults, Refusal
from innkeepd.simulator.journal import Journal, Loaded, Unloaded
from innkeepd.simulator.launch import Launch
from innkeepd.simulator.machine import Machine
from innkeepd.simulator.release import Release
from innkeepd.simulator.runner import Runner, Use
from innkeepd.simulator.texts import QUEUE_FULL, malloc_failed

HEALTH = 20.0
"""Seconds in which a runner that does not answer is found out: two looks of 10 s."""
SURCHARGE = {1024: 768 * 2**20, 2048: 2 * GIB}
"""Bytes that 0.33 adds to its estimate for a larger batch."""
MLX_SPARE = 512 * 2**20
"""Bytes that must be free beside the weights of an MLX model."""
KILLED_AFTER = 0.3
"""Seconds after which a load fails that will fail."""


class Runners:
    """All runners by weights, in the order in which they were loaded.

    ``cache_in_memory``: whether the machine's memory shows the prompt caches.
    """

    def __init__(
        self, machine: Machine, faults: Faults, journal: Journal, *, release: Release, speed: float, parallel: int,
        max_queue: int, heavy_parameters: int, cache_ram: int, cache_in_memory: bool,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:  # fmt: skip
        self.machine = machine
        self.faults = faults
        self.journal = journal
        self.release = release
        self.speed = speed
        self.parallel = parallel
        self.max_queue = max_queue
        self.max_runners = release.max_runners
        self.heavy_parameters = heavy_parameters
        self.cache_ram = cache_ram
        self.cache_in_memory = cache_in_memory
        self.waiting = 0
        self.orphans: list[Runner] = []
        """Processes whose Ollama was killed: listed nowhere, they keep their memory."""
        self.listing = anyio.Lock()
        """Whoever holds it keeps ``/api/ps`` waiting."""
        self._clock = clock
        self._turn = anyio.Lock()
        self._changed = anyio.Event()
        self._standing: dict[str, Runner] = {}
        self._next_pid = 1001

    # Looking

    def standing(self) -> list[Runner]:
        """Every runner of the server, loading ones included, expired ones removed."""
        self.settle()
        return list(self._standing.values())

    async def listed(self) -> list[Runner]:
        """Those in ``/api/ps``; waits where the version does."""
        async with self.listing if self.release.health_blocks_ps else nullcontext():
            return [runner for runner in self.standing() if runner.ready or self.release.lists_loading]

    def find(self, model: Pulled) -> Runner | None:
        """The runner of these weights, whatever name it was loaded by."""
        self.settle()
        return self._standing.get(model.runner_key)

    def settle(self) -> None:
        """Unload every idle runner whose time has expired."""
        now = self._clock()
        for runner in list(self._standing.values()):
            gone = self._leaves_at(runner)
            if runner.ready and runner.busy == 0 and gone <= now:
                self._remove(runner, runner.why, at=gone)

    def _leaves_at(self, runner: Runner) -> float:
        return max(runner.expires + self.release.vanish / self.speed, runner.stuck_until)

    # Using

    async def use(self, model: Pulled, launch: Launch, keep: float | None) -> Use:
        """Hold the model's runner with these attributes, after loading it where that is needed. Raises ``Refusal``."""
        runner = self.find(model)
        if runner is not None and runner.ready:
            await self._look_at_health(runner)
            runner = self.find(model)
        if runner is None or not runner.serves(launch, self._clock()):
            runner = await self._wait_and_bring(model, launch, keep)
        if keep is not None:
            runner.keep = keep
        runner.why = "expired"
        return Use(self, runner)

    async def _look_at_health(self, runner: Runner) -> None:
        """Find out a frozen runner, which takes its time, and take it away."""
        if self.faults.take(FROZEN, runner.model.name):
            runner.frozen = True
        if not runner.frozen:
            return
        async with self.listing:
            if runner.frozen and self._standing.get(runner.key) is runner:
                await anyio.sleep(HEALTH / self.speed)
                self._remove(runner, "crash")

    def released(self, runner: Runner) -> None:
        """A request is done with a runner."""
        runner.busy -= 1
        if runner.busy == 0:
            runner.expires = self._clock() + max(0.0, runner.keep)
        self._tell()

    def expire(self, model: Pulled, why: str = "asked") -> None:
        """Unload a runner once it is idle; no-op where there is none."""
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
        self._free(runner, 0.0)
        self._note()

    def let_everybody_go(self) -> None:
        """Unload every runner after its answer, pinned ones too: what Ollama does since 0.30 on a GPU out of memory."""
        for runner in self.standing():
            self.expire(runner.model, "evicted")

    def grown(self, runner: Runner) -> None:
        """A runner has read or answered something: its memory follows."""
        if runner.dead or self._standing.get(runner.key) is not runner:
            return
        self.machine.hold((runner.pid, "weights"), runner.size)
        if self.cache_in_memory and not runner.model.is_mlx:
            self.machine.hold((runner.pid, "cache"), runner.cache.size)

    def stop(self, *, killed: bool = False) -> None:
        """Stop the server and every process; ``killed``: by SIGKILL, which leaves the processes running."""
        for runner in list(self._standing.values()):
            runner.gone = True
            if killed and runner.ready and not runner.dead:
                self.orphans.append(runner)
            self._remove(runner, "stopped")

    def end_orphans(self) -> None:
        """Somebody ends the processes that were left behind."""
        for runner in self.orphans:
            self._free(runner, 0.0)
        self.orphans.clear()

    # Loading

    async def _wait_and_bring(self, model: Pulled, launch: Launch, keep: float | None) -> Runner:
        if self.waiting >= self.max_queue:
            raise Refusal(503, QUEUE_FULL)
        self.waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self.waiting -= 1
        try:
            runner = self.find(model)
            if runner is not None and runner.serves(launch, self._clock()):
                return runner
            if runner is not None:
                differing = [] if runner.dead else runner.differing(launch)
                if differing and runner.ready:
                    self.journal.note_reload(self._clock(), runner.model.name, differing)
                await self._evict(runner, "crash" if runner.dead else "reload")
            return await self._bring(model, launch, KEEP_ALIVE if keep is None else keep)
        finally:
            self._turn.release()

    async def _bring(self, model: Pulled, launch: Launch, keep: float) -> Runner:
        """Make room and load."""
        await self._make_room(model, launch)
        if self.release.checks_memory:
            return await self._load(model, launch, keep)
        fault = self.faults.take(frozenset({"out_of_memory"}), model.name)
        size = model.footprint(launch.num_ctx, self.parallel)
        if fault is None and size <= self.machine.total:
            return await self._load(model, launch, keep)
        refused = Refusal(500, malloc_failed(model.kv(launch.num_ctx, self.parallel)))
        if self.standing():  # it fails, all others leave, and it is tried once more
            await self._fail_to_load(model, launch)
            for runner in self.standing():
                await self._evict(runner, "evicted")
        await self._fail_to_load(model, launch)
        raise refused

    async def _make_room(self, model: Pulled, launch: Launch) -> None:
        size = model.footprint(launch.num_ctx, self.parallel)
        if self.release.checks_memory:
            await self._check_memory(model, size)
        while others := self.standing():
            if self._has_room(model, launch, others) and len(others) < self.max_runners:
                return
            if size > self.machine.total and len(others) < self.max_runners:
                return  # malloc will say no
            await self._evict(min(others, key=lambda runner: (runner.busy > 0, runner.keep)), "evicted")

    def _has_room(self, model: Pulled, launch: Launch, others: list[Runner]) -> bool:
        """Ollama's own verdict on a model beside others: four fifths of what is free."""
        free = self.machine.system_free()
        if not self.release.subtracts_loaded:
            return model.footprint(launch.num_ctx, self.parallel) <= 0.8 * min(self.machine.metal, free)
        left = self.machine.metal - sum(runner.size for runner in others)
        if model.is_mlx:
            return model.size <= min(left, free) - MLX_SPARE
        surcharge = SURCHARGE.get(launch.num_batch, 0)
        return model.size + model.kv(launch.num_ctx, self.parallel) + surcharge <= 0.8 * min(left, free)

    async def _check_memory(self, model: Pulled, size: int) -> None:
        """0.17: what can never fit is refused, after everybody else has left."""
        fault = self.faults.take(frozenset({"out_of_memory"}), model.name)
        if fault is None and size <= self.machine.free_alone():
            return
        for runner in self.standing():
            await self._evict(runner, "evicted")
        available = min(self.machine.free_alone(), size * 3 // 4) if fault else self.machine.free_alone()
        gib = f"({size / GIB:.1f} GiB) than is available ({available / GIB:.1f} GiB)"
        raise Refusal(500, f"model requires more system memory {gib}")

    async def _evict(self, runner: Runner, why: str) -> None:
        """Unload a runner and wait for its end; a busy one finishes first."""
        while self._standing.get(runner.key) is runner:
            self.expire(runner.model, why)
            changed, now = self._changed, self._clock()
            with anyio.move_on_after(math.inf if runner.busy else max(0.0, self._leaves_at(runner) - now)):
                await changed.wait()
            self.settle()

    async def _fail_to_load(self, model: Pulled, launch: Launch) -> None:
        size = model.footprint(launch.num_ctx, self.parallel)
        self.journal.note_load(Loaded(self._clock(), model.name, model.blob, launch.num_ctx, size))
        await anyio.sleep(KILLED_AFTER / self.speed)

    async def _load(self, model: Pulled, launch: Launch, keep: float) -> Runner:
        fault = self.faults.take(LOAD, model.name)
        seconds = model.load_seconds * (fault.factor if fault and fault.how == "slow_load" else 1.0) / self.speed
        runner = Runner(
            self._next_pid, model, launch, keep, slots=self.parallel, cache_ram=self.cache_ram, parallel=self.parallel
        )  # fmt: skip
        self._next_pid += 1
        now = self._clock()
        self._standing[runner.key] = runner
        self.machine.take((runner.pid, "weights"), runner.size, seconds)
        self.journal.note_load(Loaded(now, model.name, model.blob, launch.num_ctx, runner.size))
        self._note()
        try:
            async with self._while_starting(model):
                await self._fill(model, fault, seconds)
        except BaseException as end:
            self._remove(runner, "failed" if isinstance(end, Refusal) else "aborted")
            raise
        if self._standing.get(runner.key) is not runner:
            raise Refusal(500, self.release.texts.load_failure)
        runner.ready, runner.expires = True, self._clock() + max(0.0, keep)
        self._tell()
        return runner

    @asynccontextmanager
    async def _while_starting(self, model: Pulled) -> Any:
        """An MLX runner keeps ``/api/ps`` waiting until it is there."""
        async with self.listing if model.is_mlx and self.release.health_blocks_ps else nullcontext():
            yield

    async def _fill(self, model: Pulled, fault: Fault | None, seconds: float) -> None:
        how = fault.how if fault else ""
        if fault is not None and how == "load_hang":
            await anyio.sleep(fault.seconds)
        if how == "load_failure" or model.damage == "lacks":
            await anyio.sleep(KILLED_AFTER / self.speed)
            raise Refusal(500, self.release.texts.load_failure)
        if how == "load_killed":
            await anyio.sleep(KILLED_AFTER / self.speed)
            raise Refusal(500, self.release.texts.killed)
        await anyio.sleep(seconds)

    # Telling

    def _remove(self, runner: Runner, why: str, at: float | None = None) -> None:
        if self._standing.get(runner.key) is not runner:
            return
        del self._standing[runner.key]
        if not runner.dead and runner not in self.orphans:
            self._free(runner, self.release.memory_return / self.speed, at)
        self.journal.unloads.append(Unloaded(self._clock() if at is None else at, runner.model.name, why))
        self._note(at)
        self._tell()

    def _free(self, runner: Runner, seconds: float, at: float | None = None) -> None:
        for part in ("weights", "cache"):
            self.machine.give_back((runner.pid, part), seconds, at)

    def _note(self, at: float | None = None) -> None:
        living = [runner.model for runner in self._standing.values() if not runner.dead]
        heavy = frozenset(model.name for model in living if model.parameters >= self.heavy_parameters)
        self.journal.note_residents(self._clock() if at is None else at, frozenset(m.name for m in living), heavy)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
