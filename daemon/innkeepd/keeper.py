"""The single owner: events go in, ``Scheduler.step`` decides, actions are started, their ends come back as events.

``post`` is the only way in, and it never waits: a load or an unload is a child task whose end is posted. All that may
stop a model comes through here. Readers get copies (``snapshot.py``).
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from time import time as epoch
from typing import Any

import anyio
from anyio.abc import TaskGroup
from msgspec import Struct

from innkeepd.catalog import Candidate, Catalog
from innkeepd.moves import Moves
from innkeepd.outbound.backend import Backend, BackendFault, Running
from innkeepd.outbound.clock import SleepWatch
from innkeepd.outbound.memory import MemoryDoor
from innkeepd.outbound.power import Awake
from innkeepd.outbound.watch import Observation, Watch
from innkeepd.policy import events as ev
from innkeepd.policy.budget import budget_of
from innkeepd.policy.pressure import PressureGauge, sample_every
from innkeepd.policy.reading import Reading
from innkeepd.policy.residency import Residency
from innkeepd.policy.rules import Rules
from innkeepd.policy.scheduler import Scheduler
from innkeepd.policy.verdict import held_free
from innkeepd.ticks import ticks

KEEP_ALIVE = 1800.0
"""Seconds that Ollama is told to keep a model: longer than our own idle time; a dead daemon leaves nothing for ever."""
RENEW_BEFORE = 900.0
"""A stay that is to go on is renewed when it has less than this many seconds left."""
READ_WITHIN = 10.0
"""Seconds for the list of what is pulled: an Ollama that accepts and never answers must not keep everybody waiting."""
FRESH = 2.0
"""Seconds that an observation is good for: somebody else may have loaded a model since."""


class Counts(Struct):
    """Since the start."""

    requests: int = 0
    swaps: int = 0
    loads: int = 0
    unloads: int = 0
    fallbacks: int = 0
    refusals: int = 0
    foreign_loads: int = 0


class Revoked(Exception):
    """A lease was taken back (a hold, a stop); ``code`` is the wire code for whoever held it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Place:
    """A place in the line, later a lease. ``settled`` is the scheduler's answer once there is one."""

    def __init__(self, ticket: ev.Ticket, keeper: "Keeper") -> None:
        self.ticket = ticket
        self.asked = keeper.now()
        self.settled: ev.Grant | ev.Refuse | None = None
        self.revoked: Revoked | None = None
        self._keeper = keeper
        self._work: anyio.CancelScope | None = None

    async def change(self, within: float) -> None:
        """Wait until something in the house changed, at most so many seconds."""
        if self.settled is None:
            with anyio.move_on_after(within):
                await self._keeper.changed()

    def works_in(self, scope: anyio.CancelScope) -> None:
        """The lease is used inside this scope: it is cancelled where the lease is taken back."""
        self._work = scope
        if self.revoked is not None:
            scope.cancel()

    def revoke(self, code: str, message: str) -> None:
        """Take the lease back."""
        self.revoked = Revoked(code, message)
        if self._work is not None:
            self._work.cancel()


class Keeper:
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
    ) -> None:
        config = catalog.config
        self.catalog = catalog
        self.backend = backend
        self.scheduler = Scheduler(_rules(catalog))
        self.counts = Counts()
        self.awake = awake
        self.gauge = PressureGauge()
        self.reading: Reading | None = None
        self.observation: Observation | None = None
        self.ready = anyio.Event()
        self.watch = Watch(backend, self._observe)
        self.pins: set[str] = set()
        self.on_event: list[Callable[[str, str, dict[str, Any]], None]] = []
        self._moves = Moves(
            backend,
            weights_of=self.weights_of,
            free=self._free_now,
            load_timeout=config.timeouts.load,
            observed=self._proved,
        )
        self._memory = memory
        self._tasks = tasks
        self._journal = journal
        self._learned = learned
        self._sleep_watch = sleep_watch
        self._slept = 0.0
        self._clock = ticks()
        self._inbox: deque[ev.Event] = deque()
        self._stepping = False
        self._places: dict[str, Place] = {}
        self._moving: dict[str, float] = {}
        self._swaps: dict[str, float] = {}
        self._changed = anyio.Event()
        self._is_watched = False
        self._rearm = anyio.Event()
        self._wake_at: float | None = None
        self._rings_at = float("inf")
        self._clients = 0
        self._strangers: set[str] = set()
        self._learning = False
        self._renewing: set[str] = set()
        self._read_at = float("-inf")
        self._measured: ev.Measured | None = None

    def __repr__(self) -> str:
        return f"Keeper({self.scheduler!r})"

    # ---- time ----

    def now(self) -> float:
        """Seconds on a clock that goes on while the machine sleeps: leases, holds and timers are real time."""
        return self._clock() + self._slept

    def wall(self, at: float) -> float:
        """An instant of ours as seconds since the epoch."""
        return epoch() + at - self.now()

    def _notice_sleep(self) -> None:
        slept = self._sleep_watch.slept() if self._sleep_watch else 0.0
        if slept:
            self._slept += slept
            self.tell("log", "woke from sleep", {"slept": slept})
            self.watch.hurry()
            self._rearm.set()

    # ---- the way in ----

    def post(self, event: ev.Event) -> None:
        """Take one event, decide, start what is to be done. Never waits, never fails for what the world does."""
        self._inbox.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inbox:
                self._step(self._inbox.popleft())
        finally:
            self._stepping = False
        if self._is_watched:
            self._is_watched = False
            self._changed.set()
            self._changed = anyio.Event()

    def _step(self, event: ev.Event) -> None:
        now = self.now()
        actions = self.scheduler.step(event, now)
        if self._journal is not None:
            self._journal(now, event, actions)
        wake_at: float | None = None
        for action in actions:
            match action:
                case ev.Grant():
                    self._granted(action)
                case ev.Refuse():
                    self._refused(action)
                case ev.Load():
                    self._begin(action, self._load(action))
                case ev.Unload():
                    self._begin(action, self._unload(action))
                case ev.WakeAt(at):
                    wake_at = at
        if wake_at is not None and wake_at < self._rings_at:
            self._rearm.set()
        self._wake_at = wake_at

    def _granted(self, action: ev.Grant) -> None:
        place = self._places.get(action.ticket)
        if place is None:
            self._inbox.append(ev.Released(action.ticket))
            return
        place.settled = action
        self.awake.begin("answer")

    def _refused(self, action: ev.Refuse) -> None:
        self.counts.refusals += 1
        place = self._places.get(action.ticket)
        if place is not None:
            place.settled = action

    def _begin(self, action: ev.Load | ev.Unload, move: Coroutine[Any, Any, None]) -> None:
        self._moving[action.weights] = self.now()
        for_whom = action.wanted_by if isinstance(action, ev.Unload) else action.weights
        if for_whom is not None:
            self._swaps.setdefault(for_whom, self.now())
        self._tasks.start_soon(self._perform, action, move)

    async def _perform(self, action: ev.Load | ev.Unload, move: Coroutine[Any, Any, None]) -> None:
        """Whatever happens in there, the move comes to its end: the scheduler would wait for it for ever."""
        try:
            await move
        except Exception as error:  # noqa: BLE001
            self._moving.pop(action.weights, None)
            self._swaps.pop(action.weights, None)
            self.tell("log", "a fault of innkeepd itself", {"error": repr(error)})
            ended = ev.LoadEnded if isinstance(action, ev.Load) else ev.UnloadEnded
            self.post(ended(action.op, "load_failed", f"a fault of innkeepd itself: {error!r}"))

    # ---- performing ----

    async def _load(self, action: ev.Load) -> None:
        name = self.name_of(action.weights)
        self.counts.loads += 1
        self.tell("residency", "loading", {"model": name, "context": action.context})
        self.watch.hurry(self.catalog.config.timeouts.load)
        with self.awake.during("load"):
            outcome = await self._moves.bring_in(
                action.weights, name, context=action.context, keep_alive=self.keep_alive()
            )
        self.watch.calm()
        if outcome.code is None:
            self.catalog.estimates.learned_load(action.weights, outcome.seconds)
            if outcome.footprint is not None:
                self.catalog.estimates.learned_footprint(action.weights, action.context, outcome.footprint)
            self._has_learned()
        elif outcome.code == "model_missing":
            self._tasks.start_soon(self.refresh)
        self.tell(
            "residency",
            "loaded" if outcome.code is None else "load failed",
            {"model": name, "code": outcome.code, "message": outcome.message, "took": round(outcome.seconds, 3)},
        )
        self.measure()
        self._moving.pop(action.weights, None)
        self._swaps.pop(action.weights, None)
        self.post(ev.LoadEnded(action.op, outcome.code, outcome.message, outcome.footprint))

    async def _unload(self, action: ev.Unload) -> None:
        name = self.name_of(action.weights)
        self.counts.unloads += 1
        self.counts.swaps += action.reason == "eviction"
        self.tell("residency", "unloading", {"model": name, "reason": action.reason})
        self.watch.hurry(30.0)
        outcome = await self._moves.take_out(action.weights, name)
        self.watch.calm()
        if outcome.code is None:
            self.catalog.estimates.learned_unload(action.weights, outcome.seconds)
            self._has_learned()
        self.tell(
            "residency",
            "unloaded" if outcome.code is None else "unload failed",
            {"model": name, "message": outcome.message, "took": round(outcome.seconds, 3)},
        )
        self.measure()
        self._moving.pop(action.weights, None)
        self.post(ev.UnloadEnded(action.op, outcome.code, outcome.message))

    def know_again(self) -> None:
        """Tell the scheduler what is known of models by now."""
        self.post(ev.Known(self.catalog.specs()))

    def _has_learned(self) -> None:
        self.know_again()
        self._learned()

    def learned_answer(self, weights: str, **figures: float) -> None:
        """Take what an answer taught: ``service`` seconds, ``decode`` and ``prefill`` tokens a second."""
        self.catalog.estimates.learned_answer(weights, **figures)
        self._learned()

    # ---- the line ----

    @asynccontextmanager
    async def line(self, ticket: ev.Ticket) -> AsyncIterator[Place]:
        """Stand in line for a model; leaving gives the place or the lease back, whatever happened."""
        if not self.ready.is_set():
            await self.ready.wait()
        await self._look_again()
        place = Place(ticket, self)
        self._places[ticket.id] = place
        self.post(ev.Asked(ticket))
        self.attend()
        try:
            yield place
        finally:
            del self._places[ticket.id]
            if isinstance(place.settled, ev.Grant):
                self.awake.end("answer")
                self.post(ev.Released(ticket.id))
            elif place.settled is None:
                self.post(ev.Cancelled(ticket.id))
            self.attend()

    async def _look_again(self) -> None:
        """Know what holds before deciding: a model that somebody else threw out must not be granted."""
        seen = self.observation
        if seen is None or anyio.current_time() - seen.sent > FRESH:
            self.measure()
            await self.watch.observe_now()

    async def take_out(self, leaving: tuple[str, ...]) -> None:
        """Unload these once their answers have ended. Raises ``BackendFault`` ``load_failed`` where one stays."""
        going = [resident for weights in leaving if (resident := self._resident(weights)) is not None]
        self.post(ev.UnloadAsked(leaving))
        self.attend()
        while any(resident.leaving and self._resident(resident.weights) is resident for resident in going):
            await self.changed()
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

    async def hold(self, seconds: float, *, drain: float) -> float:
        """Give the memory back; returns once it is, with the instant until which nothing is loaded."""
        until = self.now() + seconds
        self.post(ev.HoldBegan(until))
        self.attend()
        self.tell("residency", "on hold", {"seconds": seconds})
        with anyio.move_on_after(drain):
            while self._local_leases():
                await self.changed()
        for place in self._local_leases():
            place.revoke("on_hold", "the user took the memory back before the answer was whole")
        while self.scheduler.held_until is not None and self._holds_memory():
            with anyio.move_on_after(FRESH):
                await self.changed()
        return until

    def _holds_memory(self) -> bool:
        """Whether Ollama may still have a model of ours in memory; one that does not answer can be told nothing."""
        is_away = self.observation is not None and not self.observation.reachable
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

    def _local_leases(self) -> list[Place]:
        house = self.scheduler.house
        return [p for p in self.places() if isinstance(p.settled, ev.Grant) and not house.is_remote(p.settled.weights)]

    async def changed(self) -> None:
        """Wait for the next change of anything."""
        self._is_watched = True
        await self._changed.wait()

    def attend(self, clients: int | None = None) -> None:
        """How many are connected: nobody there lets the house sleep."""
        self._clients = self._clients if clients is None else clients
        self.watch.attend(clients=self._clients, requests=len(self._places))

    def places(self) -> list[Place]:
        """Everybody who waits or holds a lease."""
        return list(self._places.values())

    def moving_since(self, weights: str) -> float | None:
        """When the load or unload of these weights began."""
        return self._moving.get(weights)

    def swapping_since(self, weights: str) -> float | None:
        """When the first unload for the sake of these weights began, or their load where nobody had to leave."""
        return self._swaps.get(weights)

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
        missing = [c for c in candidates if c.backend is not None and c.weights not in self.scheduler.house.specs]
        if missing:
            self.catalog.remember(missing)
            self.post(ev.Known(self.catalog.specs()))

    def judge(self, candidate: Candidate, code: str | None = None, message: str = "") -> None:
        """What a model elsewhere showed (``code`` None: it answered). Out of reach is an engine with all its models."""
        cooling, specs = self.scheduler.cooling, self.scheduler.house.specs.values()
        for weights in [spec.weights for spec in specs if spec.engine == candidate.backend]:
            before = cooling.get(weights)
            known = (before.code if before else None) if code is None else code
            if weights == candidate.weights or known == "backend_unreachable":
                self.post(ev.Judged(weights, code, message))
            after = cooling.get(weights)
            if (before is None) != (after is None):
                what = "answers again" if after is None else "failed"
                self.tell("backend", what, {"model": weights, "code": code, "message": message})

    def look_anew(self) -> None:
        """Somebody changed what is pulled: read it soon."""
        if not self._learning:
            self._learning = True
            self._tasks.start_soon(self._learn, set[str]())

    async def _learn(self, names: set[str]) -> None:
        """Find out what stands behind new names in ``/api/ps``; until then they are left out of account."""
        try:
            if await self.refresh():
                self._strangers |= {name for name in names if not self.catalog.find(name)}
                self.watch.hurry(0.0)
        except Exception as error:  # noqa: BLE001
            self.tell("log", "a fault of innkeepd itself", {"error": repr(error)})
        finally:
            self._learning = False

    def knows_for(self) -> float:
        """Seconds since what is pulled was read."""
        return anyio.current_time() - self._read_at

    async def refresh(self) -> bool:
        """Read what is pulled. False where the backend does not answer."""
        try:
            with anyio.fail_after(READ_WITHIN):
                self.catalog.update(await self.backend.pulled())
        except (BackendFault, TimeoutError):
            return False
        self._read_at = anyio.current_time()
        self.post(ev.Known(self.catalog.specs()))
        for name in self.pins:
            self.post(ev.PinSet(self.weights_of(name)))
        return True

    def configure(self) -> None:
        """The configuration changed: judge everything anew."""
        self.scheduler.rules = _rules(self.catalog)
        self.scheduler.house.heavy_limit = self.catalog.config.residency.heavy_limit
        self._moves.load_timeout = self.catalog.config.timeouts.load
        self._measured = None
        self.post(ev.Known(self.catalog.specs()))
        self.measure()

    def _free_now(self) -> int | None:
        return self._memory.read().free_now

    def measure(self) -> None:
        """Read memory and tell the scheduler."""
        self._notice_sleep()
        reading = self.reading = self._memory.read()
        budget = budget_of(reading, self.catalog.policy)
        if budget is None:
            return
        if self.catalog.budget is None or self.catalog.budget.bytes != budget.bytes:
            self.catalog.budget = budget
            self.post(ev.Known(self.catalog.specs()))
        before = self.gauge.level
        pressure = self.gauge.feed(reading.pressure, self.now())
        if pressure != before:
            self.tell("memory", f"pressure is {pressure}", {"pressure": pressure})
        self.post(ev.Measured(budget.bytes, held_free(budget, reading.free_now), pressure))

    def _observe(self, seen: Observation) -> None:
        self._notice_sleep()
        before = self.observation
        self.observation = seen
        if before is None or before.reachable != seen.reachable:
            self.tell(
                "backend",
                "reachable" if seen.reachable else "unreachable",
                {"url": self.backend.url, "fault": seen.fault},
            )
        if seen.running is not None:
            if not self.catalog.models:
                self.look_anew()
            self._proved(seen.sent, seen.running)
        self.ready.set()

    def _proved(self, sent: float, running: list[Running]) -> None:
        unknown = {line.name for line in running if not self.catalog.find(line.name)} - self._strangers
        if unknown and not self._learning:
            self._learning = True
            self._tasks.start_soon(self._learn, unknown)
        told = [line for line in running if line.name not in unknown]
        lines = tuple(ev.Seen(self.weights_of(r.name), r.size, r.context, r.expires) for r in told)
        known = set(self.scheduler.house.residents)
        self.post(ev.Observed(sent + self._slept, lines))
        for weights, resident in self.scheduler.house.residents.items():
            if weights not in known and not resident.owned and self.ready.is_set():
                self.counts.foreign_loads += 1
                self.tell("residency", "loaded by another program", {"model": self.name_of(weights)})

    def tell(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Let watchers know."""
        for listener in list(self.on_event):
            listener(kind, what, data)

    # ---- running ----

    async def run(self) -> None:
        """Keep everything true until cancelled."""
        self.measure()
        await self.refresh()
        self._tasks.start_soon(self._ring)
        self._tasks.start_soon(self._sample)
        await self.watch.run()

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

    async def _sample(self) -> None:
        """Memory and renewals, rarely when nothing happens."""
        while True:
            house = self.scheduler.house
            pause = sample_every(
                changing=house.is_changing(),
                resident=bool(house.residents),
                connected=bool(self._clients),
                pressure=self.gauge.level,
            )
            await anyio.sleep(pause)
            self.measure()
            self._renew()

    def _renew(self) -> None:
        forever = self.catalog.config.residency.idle_unload is None
        soon = epoch() + RENEW_BEFORE
        for resident in self.scheduler.house.residents.values():
            stays = forever or resident.weights in self.scheduler.house.pins
            ends = resident.expires is not None and resident.expires < soon
            is_free = not self.scheduler.leases.count(resident.weights) and resident.weights not in self._renewing
            if stays and ends and resident.is_resident and is_free:
                self._renewing.add(resident.weights)
                self._tasks.start_soon(self._stay, resident.weights, resident.context)

    async def _stay(self, weights: str, context: int) -> None:
        """Renew under a lease, so that nobody unloads in between."""
        ticket = ev.Ticket(f"renew {weights}", (weights,), "batch")
        try:
            async with self.line(ticket) as place:
                if isinstance(place.settled, ev.Grant):
                    await self._moves.renew(self.name_of(weights), context=context, keep_alive=self.keep_alive())
        finally:
            self._renewing.discard(weights)


def _rules(catalog: Catalog) -> Rules:
    config = catalog.config
    return Rules(
        turn=config.schedule.turn,
        batch_turn=config.schedule.batch_turn,
        gate=config.schedule.gate,
        session_hold=config.schedule.session_hold,
        queue_limit=config.schedule.queue_limit,
        heavy_limit=config.residency.heavy_limit,
        idle_unload=config.residency.idle_unload,
    )
