"""The single owner: events go in, ``Scheduler.step`` decides, actions are started, their ends come back as events.

``post`` is the only way in, and it never waits: a load or an unload is a child task whose end is posted. All that may
stop a model comes through here. Readers get copies (``snapshot.py``).

A fault in or behind ``step`` leaves a state that nobody can believe: an action that was decided may never be performed,
and everybody would wait for its end. It is handed to ``on_fault``, which ends the process; nothing is lost by that,
because the next daemon adopts what Ollama holds and a promise is told only once it is written.
"""

from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import time as epoch
from typing import Any

import anyio
from anyio.abc import TaskGroup
from msgspec import Struct

from innkeepd.backends.backend import Backend, BackendFault
from innkeepd.machine.memory import MemoryDoor
from innkeepd.machine.power import Awake
from innkeepd.machine.runners import RunnersDoor
from innkeepd.machine.sleep import SleepWatch
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.candidates import quoted
from innkeepd.policy.scheduling.residency import Residency
from innkeepd.policy.scheduling.scheduler import Scheduler
from innkeepd.policy.scheduling.settings import SchedulerSettings
from innkeepd.residency.catalog import Candidate, Catalog
from innkeepd.residency.clock import ticks
from innkeepd.residency.lease import CROWD, LeaseHandle
from innkeepd.residency.loader import Loader
from innkeepd.residency.monitor import Monitor
from innkeepd.residency.moves import Moves
from innkeepd.supervision import described, supervise

KEEP_ALIVE = 1800.0
"""Seconds that Ollama is told to keep a model: longer than our own idle time; a dead daemon leaves nothing for ever."""
FRESH = 2.0
"""Seconds that an observation is good for: somebody else may have loaded a model since. Time asleep counts."""
MEASURED_ANEW = 0.1
"""Seconds between two readings of memory for the sake of requests: a burst reads it once."""


class OwnerFault(Exception):
    """A fault in or behind the scheduler's step; ``event`` and ``state`` as text, the fault itself as its cause."""

    def __init__(self, event: ev.Event, state: str) -> None:
        super().__init__(f"the owner of the memory failed at {event!r}")
        self.event = repr(event)
        self.state = state


def _raise(fault: OwnerFault) -> None:
    raise fault


class Counters(Struct):
    """Since the start."""

    requests: int = 0
    swaps: int = 0
    loads: int = 0
    unloads: int = 0
    fallbacks: int = 0
    refusals: int = 0
    foreign_loads: int = 0
    recycles: int = 0
    reloads: int = 0


class Supervisor:
    """Owns the scheduler, the catalogue and the line; ``run`` keeps them true."""

    def __init__(
        self,
        catalog: Catalog,
        backend: Backend,
        memory: MemoryDoor,
        *,
        tasks: TaskGroup,
        awake: Awake,
        sleep_watch: SleepWatch | None = None,
        journal: Callable[[float, ev.Event, list[ev.Action]], None] | None = None,
        learned: Callable[[], None] = lambda: None,
        runners: RunnersDoor | None = None,
    ) -> None:
        self.catalog = catalog
        self.backend = backend
        self.scheduler = Scheduler(_rules(catalog))
        self.counts = Counters()
        self.awake = awake
        self.pins: set[str] = set()
        self.clients = 0
        self.on_event: list[Callable[[str, str, dict[str, Any]], None]] = []
        self.on_fault: Callable[[OwnerFault], None] = _raise
        self.senses = Monitor(self, backend, memory, tasks=tasks, sleep_watch=sleep_watch, runners=runners)
        moves = Moves(
            backend,
            weights_of=self.weights_of,
            free=self.senses.free_now,
            load_timeout=catalog.config.timeouts.load,
            observed=self.senses.proved,
            pid_of=self.senses.pid_of,
            is_alive=self.senses.is_alive,
        )
        self.porter = Loader(self, moves, tasks)
        self._tasks = tasks
        self._journal = journal
        self._learned = learned
        self._clock = ticks()
        self._inbox: deque[ev.Event] = deque()
        self._stepping = False
        self._leaving: Counter[str] = Counter()
        self._failed = False
        self._reporting = False
        self._places: dict[str, LeaseHandle] = {}
        self._changed = anyio.Event()
        self._is_watched = False
        self._distrusted_at = float("-inf")
        self._rearm = anyio.Event()
        self._wake_at: float | None = None
        self._rings_at = float("inf")

    def __repr__(self) -> str:
        return f"Keeper({self.scheduler!r})"

    # ---- time ----

    def now(self) -> float:
        """Seconds on a clock that goes on while the machine sleeps: leases, holds and timers are real time."""
        return self._clock() + self.senses.slept

    def wall(self, at: float) -> float:
        """An instant of ours as seconds since the epoch."""
        return epoch() + at - self.now()

    # ---- the way in ----

    def post(self, event: ev.Event) -> None:
        """Take one event, decide, start what is to be done. Never waits, never fails for what the world does.

        After a fault of our own nothing is taken any more: the process is about to end.
        """
        if self._failed:
            return
        self._inbox.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inbox:
                event = self._inbox.popleft()
                self._step(event)
        except Exception as error:  # noqa: BLE001
            self._fail(event, error)
        finally:
            self._stepping = False
        if 0 < len(self.scheduler.line) <= CROWD:
            for waiter in self.scheduler.line:
                if (place := self._places.get(waiter.ticket.id)) is not None:
                    place.wake()
        if self._is_watched:
            self._is_watched = False
            self._changed.set()
            self._changed = anyio.Event()

    def _step(self, event: ev.Event) -> None:
        now = self.now()
        actions = self.scheduler.step(event, now)
        wake_at: float | None = None
        for action in actions:
            match action:
                case ev.Grant():
                    self._granted(action)
                case ev.Refuse():
                    self._refused(action)
                case ev.Load() | ev.Unload():
                    self.porter.begin(action)
                case ev.WakeAt(at):
                    wake_at = at
        if wake_at is not None and wake_at < self._rings_at:
            self._rearm.set()
        self._wake_at = wake_at
        if self._journal is not None:
            self._write_journal(now, event, actions)

    def _write_journal(self, now: float, event: ev.Event, actions: list[ev.Action]) -> None:
        """A journal that cannot be written (a full disk) is given up; it is for bug reports only."""
        try:
            if self._journal is not None:
                self._journal(now, event, actions)
        except Exception as error:  # noqa: BLE001
            self._journal = None
            self.report("the journal, which is given up", error)

    def _fail(self, event: ev.Event, error: Exception) -> None:
        """The owner's own fault: whatever was decided may be half done."""
        self._failed = True
        self._inbox.clear()
        fault = OwnerFault(event, f"{self.scheduler!r}, {len(self._places)} requests")
        fault.__cause__ = error
        self.on_fault(fault)

    def _granted(self, action: ev.Grant) -> None:
        place = self._places.get(action.ticket)
        if place is None:
            self._inbox.append(ev.Released(action.ticket))
            return
        place.settle(action)
        self.awake.begin("answer")

    def _refused(self, action: ev.Refuse) -> None:
        self.counts.refusals += 1
        place = self._places.get(action.ticket)
        if place is not None:
            place.settle(action)

    def know_again(self) -> None:
        """Tell the scheduler what is known of models by now."""
        self.post(ev.Known(self.catalog.specs()))

    def has_learned(self) -> None:
        """A load or an unload taught something."""
        self.know_again()
        self._learned()

    def learned_answer(self, weights: str, **figures: float) -> None:
        """Take what an answer taught: ``service`` seconds, ``decode`` and ``prefill`` tokens a second."""
        self.catalog.estimates.learned_answer(weights, **figures)
        self._learned()

    # ---- the line ----

    @asynccontextmanager
    async def line(self, ticket: ev.Ticket, client: str = "") -> AsyncIterator[LeaseHandle]:
        """Stand in line for a model; leaving gives the place or the lease back, whatever happened."""
        if not self.senses.ready.is_set():
            await self.senses.ready.wait()
        await self._look_again()
        place = LeaseHandle(ticket, self.now(), client)
        self._places[ticket.id] = place
        try:
            self.post(ev.Asked(ticket))
            self.attend()
            yield place
        finally:
            del self._places[ticket.id]
            if isinstance(place.settled, ev.Grant):
                self.awake.end("answer")
                self.post(ev.Released(ticket.id))
                self.senses.want_weigh()
            elif place.settled is None:
                self.post(ev.Cancelled(ticket.id))
            self.attend()

    async def _look_again(self) -> None:
        """Know what holds before deciding: a model that somebody else threw out must not be granted."""
        self.senses.notice_sleep()
        seen = self.senses.observation
        if seen is not None and seen.is_blocked:
            return  # the watch goes on asking: nobody waits 7 s behind somebody else's runner
        since = max(self.now() - FRESH, self._distrusted_at)
        if seen is None or not seen.reachable or self.senses.seen_at < since or self.senses.watch.is_stale:
            if self.now() - self.senses.measured_at > MEASURED_ANEW:
                self.senses.measure()
            await self.senses.watch.observe_now()

    def distrust(self, weights: str) -> None:
        """A runner ran out of memory in an answer: unload it, and look at what is left before anybody is granted.

        Since 0.30 Ollama then lets every model go, pinned ones too; where it does not, the runner goes on failing.
        """
        self._distrusted_at = self.now()
        self.post(ev.UnloadAsked((weights,)))

    async def take_out(self, leaving: tuple[str, ...]) -> None:
        """Unload these once their answers have ended.

        Raises ``BackendFault``: ``load_failed`` where one stays, ``backend_unreachable`` at once where Ollama is away.
        """
        await self.senses.insist()
        going = [resident for weights in leaving if (resident := self._resident(weights)) is not None]
        self.post(ev.UnloadAsked(leaving))
        self._leaving.update(leaving)
        self.attend()
        try:
            while any(resident.leaving and self._resident(resident.weights) is resident for resident in going):
                await self.changed()
        finally:
            # Whoever asked may have left before the answers ended: the model stays then, unless another asks too.
            self._leaving.subtract(leaving)
            dropped = tuple(weights for weights in leaving if self._leaving[weights] <= 0)
            self._leaving = +self._leaving
            self.post(ev.UnloadDropped(dropped))
        # One that somebody waits for may be on its way back already: that is another stay.
        staying = [self.name_of(one.weights) for one in going if self._resident(one.weights) is one]
        if staying:
            raise BackendFault(
                "load_failed", f"{', '.join(staying)} did not leave memory; is another program using it?"
            )

    def _resident(self, weights: str) -> Residency | None:
        return self.scheduler.house.residents.get(weights)

    def pin(self, name: str, *, pinned: bool = True) -> None:
        """Keep a model, or no longer."""
        (self.pins.add if pinned else self.pins.discard)(name)
        self.post(ev.PinSet(self.weights_of(name), pinned))

    async def hold(self, seconds: float, *, drain: float, why: str = "") -> float:
        """Give the memory back; returns once it is, with the instant until which nothing is loaded."""
        until = self.now() + seconds
        self.post(ev.HoldBegan(until, why))
        self.attend()
        self.tell("residency", "on hold", {"seconds": seconds, "why": why})
        with anyio.move_on_after(drain):
            while self._local_leases():
                await self.changed()
        for place in self._local_leases():
            place.revoke("on_hold", f"a hold{quoted(why)} cut this answer short")
        while self.scheduler.held_until is not None and self._holds_memory():
            with anyio.move_on_after(FRESH):
                await self.changed()
        return until

    def resume(self) -> bool:
        """End a hold; False where there is none."""
        was_held = self.scheduler.held_until is not None
        self.post(ev.HoldEnded())
        if was_held:
            self.tell("residency", "hold ended", {})
        return was_held

    def _holds_memory(self) -> bool:
        """Whether Ollama may still have a model of ours in memory; one that does not answer can be told nothing."""
        is_away = self.senses.observation is not None and not self.senses.observation.reachable
        return not is_away and any(not resident.spared for resident in self.scheduler.house.residents.values())

    async def close(self, drain: float, *, last_words: float) -> None:
        """Begin nothing more, let answers end for at most ``drain`` seconds, then take every lease back."""
        self.post(ev.Closing())
        with anyio.move_on_after(drain):
            while self._places:
                await self.changed()
        self.revoke_all("shutting_down", "innkeepd is stopping")
        with anyio.move_on_after(last_words):
            while self._places:
                await self.changed()

    def revoke_all(self, code: str, message: str) -> None:
        """Take every lease back."""
        for place in self.places():
            place.revoke(code, message)

    def _local_leases(self) -> list[LeaseHandle]:
        house = self.scheduler.house
        return [p for p in self.places() if isinstance(p.settled, ev.Grant) and not house.is_remote(p.settled.weights)]

    async def changed(self) -> None:
        """Wait for the next change of anything."""
        self._is_watched = True
        await self._changed.wait()

    def attend(self, clients: int | None = None) -> None:
        """How many are connected: nobody there lets the house sleep."""
        self.clients = self.clients if clients is None else clients
        self.senses.watch.attend(clients=self.clients, requests=len(self._places))

    def places(self) -> list[LeaseHandle]:
        """Everybody who waits or holds a lease."""
        return list(self._places.values())

    # ---- what is known ----

    def weights_of(self, name: str) -> str:
        """Weights behind a name, here or elsewhere."""
        return self.catalog.candidate(name).weights

    def name_of(self, weights: str) -> str:
        """How a person calls these weights."""
        return self.catalog.name_of(weights)

    def keep_alive(self) -> float:
        """Seconds for Ollama's ``keep_alive``."""
        idle = self.catalog.config.residency.idle_unload
        return KEEP_ALIVE if idle is None else max(KEEP_ALIVE, idle + 300.0)

    def learn_of(self, candidates: list[Candidate]) -> None:
        """Make sure that the scheduler knows remote candidates that no role names."""
        missing = [c for c in candidates if c.backend and c.weights not in self.scheduler.house.specs]
        if missing:
            self.catalog.remember(missing)
            self.post(ev.Known(self.catalog.specs()))

    def judge(self, candidate: Candidate, code: str | None = None, message: str = "") -> None:
        """What a model elsewhere showed (``code`` None: it answered). Out of reach is an engine with all its models."""
        cooling, specs = self.scheduler.cooling, self.scheduler.house.specs.values()
        for weights in [spec.weights for spec in specs if spec.engine == candidate.engine]:
            before = cooling.get(weights)
            known = (before.code if before else None) if code is None else code
            if weights == candidate.weights or known == "backend_unreachable":
                self.post(ev.Judged(weights, code, message))
            after = cooling.get(weights)
            if (before is None) != (after is None):
                what = "answers again" if after is None else "failed"
                self.tell("backend", what, {"model": weights, "code": code, "message": message})

    def configure(self) -> None:
        """The configuration changed: judge everything anew."""
        self.scheduler.rules = _rules(self.catalog)
        self.scheduler.house.heavy_limit = self.catalog.config.residency.heavy_limit
        self.porter.moves.load_timeout = self.catalog.config.timeouts.load
        self.post(ev.Known(self.catalog.specs()))
        self.senses.measure()

    def tell(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Let watchers know; one that fails disturbs nobody else."""
        for listener in list(self.on_event):
            try:
                listener(kind, what, data)
            except Exception as error:  # noqa: BLE001
                if not self._reporting:  # or the report itself would be reported, for ever
                    self._reporting = True
                    self.report("a watcher", error)
                    self._reporting = False

    def report(self, where: str, error: Exception) -> None:
        """Tell of a fault that was stopped here; its words are not told, they may quote a prompt."""
        self.tell("log", "a fault of innkeepd itself", {"where": where, "error": described(error)})

    # ---- running ----

    async def run(self) -> None:
        """Keep everything true until cancelled: each long-lived task is supervised."""
        async with anyio.create_task_group() as group:
            group.start_soon(supervise, "the timer", self._ring, self.report)
            group.start_soon(supervise, "memory samples", self.senses.sample, self.report)
            group.start_soon(supervise, "weighing of runners", self.senses.weigh_on_demand, self.report)
            group.start_soon(supervise, "the first look", self._begin, self.report)

    async def _begin(self) -> None:
        """Memory and what is pulled, then ``/api/ps`` again and again."""
        self.senses.measure()
        await self.senses.refresh()
        await self.senses.watch.run()

    def ring_anew(self) -> None:
        """The clock jumped: look at the timer again."""
        self._rearm.set()

    async def _ring(self) -> None:
        """The scheduler's timer. It may ring early and for nothing: most timers are put off by the next request."""
        while True:
            self._rearm = anyio.Event()
            self._rings_at = float("inf") if self._wake_at is None else self._wake_at
            with anyio.move_on_after(max(self._rings_at - self.now(), 0.0)):
                await self._rearm.wait()
            if self._wake_at is not None and self._wake_at <= self.now():
                self._wake_at = None
                self.post(ev.Woke())


def _rules(catalog: Catalog) -> SchedulerSettings:
    config = catalog.config
    return SchedulerSettings(
        turn=config.schedule.turn,
        batch_turn=config.schedule.batch_turn,
        gate=config.schedule.gate,
        session_hold=config.schedule.session_hold,
        queue_limit=config.schedule.queue_limit,
        heavy_limit=config.residency.heavy_limit,
        idle_unload=config.residency.idle_unload,
        hold_wait=config.schedule.hold_wait,
    )
