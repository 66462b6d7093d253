"""The residency put together, and what the rest of the daemon asks of it: a lease, an unload, a hold, a pin."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from innkeepd.backends.backend import Backend, BackendFault
from innkeepd.config.derived import rules_of_use
from innkeepd.machine.memory import MemoryDoor
from innkeepd.machine.power import Awake
from innkeepd.machine.runners import RunnersDoor
from innkeepd.machine.sleep import SleepWatch
from innkeepd.machine.surroundings import MachineSurroundings, SurroundingsDoor
from innkeepd.machine.system_events import EventsDoor, NoEvents
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.candidates import quoted
from innkeepd.policy.scheduling.overlap import Answer
from innkeepd.policy.scheduling.residency import Residency
from innkeepd.policy.scheduling.scheduler import Scheduler
from innkeepd.residency.announcer import Announcer
from innkeepd.residency.catalog import Candidate, Catalog
from innkeepd.residency.clock import Clock
from innkeepd.residency.lease import LeaseHandle
from innkeepd.residency.loader import Loader
from innkeepd.residency.monitor import FRESH, Monitor
from innkeepd.residency.moves import Moves
from innkeepd.residency.supervisor import Journal, Supervisor
from innkeepd.residency.usage_rules import UsageRules
from innkeepd.supervision import supervise


class ResidencyControl:
    """Wires clock, announcer, supervisor, monitor and loader; ``run`` keeps them at work.

    The parts know each other by the functions handed to them here, and by nothing else.
    """

    def __init__(
        self,
        catalog: Catalog,
        backend: Backend,
        memory: MemoryDoor,
        *,
        tasks: TaskGroup,
        awake: Awake,
        sleep_watch: SleepWatch | None = None,
        journal: Journal | None = None,
        learned: Callable[[], None] = lambda: None,
        runners: RunnersDoor | None = None,
        surroundings: SurroundingsDoor | None = None,
        system_events: EventsDoor | None = None,
    ) -> None:
        self.catalog = catalog
        self.backend = backend
        self.awake = awake
        self.clock = Clock(sleep_watch)
        self.announcer = Announcer()
        self.scheduler = Scheduler(catalog.scheduler_settings())
        self.supervisor = Supervisor(
            self.scheduler,
            self.clock,
            perform=self._perform,
            announcer=self.announcer,
            awake=awake,
            journal=journal,
        )
        self.monitor = Monitor(
            backend,
            memory,
            catalog,
            self.clock,
            self.scheduler.state,
            runners=runners,
            tasks=tasks,
            post=self.supervisor.post,
            announcer=self.announcer,
            woke=self._woke,
        )
        self._rules = rules_of_use(catalog.config)
        self.usage = UsageRules(
            surroundings or MachineSurroundings({}),
            system_events or NoEvents(),
            self.clock,
            rules=lambda: self._rules,
            post=self.supervisor.post,
            announcer=self.announcer,
            granted=self._granted,
            changed=self.supervisor.changed,
            holds_memory=self._holds_memory,
            wake=self.monitor.look_anew,
            measure=self.monitor.measure,
            tasks=tasks,
        )
        self.loader = Loader(
            Moves(
                backend,
                weights_of=catalog.weights_of,
                free=self.monitor.free_now,
                load_timeout=lambda: catalog.config.timeouts.load,
                observed=self.monitor.proved,
                pid_of=self.monitor.weights.pid_of,
                is_alive=self.monitor.weights.is_alive,
            ),
            catalog,
            tasks=tasks,
            awake=awake,
            announcer=self.announcer,
            post=self.supervisor.post,
            size_of=self.scheduler.ledger.size,
            began=self.monitor.watch.hurry,
            ended=self._change_ended,
            learned=learned,
        )
        self._learned = learned
        self._leaving: Counter[str] = Counter()
        # What others ask for at every request.
        self.now, self.wall = self.clock.now, self.clock.wall
        self.tell, self.report = self.announcer.tell, self.announcer.report
        self.counts, self.on_event = self.announcer.counts, self.announcer.listeners
        self.post, self.changed = self.supervisor.post, self.supervisor.changed
        self.handles, self.revoke_all = self.supervisor.handles, self.supervisor.revoke_all
        self.pulled = self.monitor.pulled
        self.weights_of, self.name_of, self.keep_alive = catalog.weights_of, catalog.name_of, catalog.keep_alive

    def __repr__(self) -> str:
        return f"ResidencyControl({self.scheduler!r})"

    # ---- between the parts ----

    def _perform(self, action: ev.Load | ev.Unload | ev.Renew) -> None:
        self.loader.begin(action)

    def _change_ended(self, action: ev.Load | ev.Unload, code: str | None) -> None:
        """A load or an unload is over: look at what it left, before its end is posted."""
        self.monitor.watch.calm()
        if code == "model_missing":
            self.pulled.look_anew()
        self.monitor.measure()
        if isinstance(action, ev.Load):
            self.monitor.weights.want(at_once=True)

    def _woke(self) -> None:
        """The machine has slept: the timer is computed anew, and the rules are looked at."""
        self.supervisor.rearm()
        self.usage.slept()

    async def run(self) -> None:
        """Keep everything true until cancelled: each long-lived task is supervised."""
        async with anyio.create_task_group() as group:
            group.start_soon(supervise, "the timer", self.supervisor.run_timer, self.report)
            group.start_soon(supervise, "the watchers' events", self.announcer.run, self.report)
            group.start_soon(supervise, "the waiters' ticker", self.supervisor.ticker.run, self.report)
            group.start_soon(supervise, "memory samples", self.monitor.sample, self.report)
            group.start_soon(supervise, "weighing of runners", self.monitor.weights.run, self.report)
            group.start_soon(supervise, "the watch on Ollama", self.monitor.run, self.report)
            group.start_soon(supervise, "the rules of use", self.usage.run, self.report)
            group.start_soon(supervise, "the events of the system", self.usage.follow, self.report)

    # ---- leases ----

    @asynccontextmanager
    async def lease(self, ticket: ev.Ticket, client: str = "") -> AsyncIterator[LeaseHandle]:
        """Queue for a model; leaving gives the place or the lease back, whatever happened."""
        await self.monitor.refresh()
        handle = self.supervisor.ask(ticket, client)
        try:
            self.attend()
            yield handle
        finally:
            self.supervisor.end(handle)
            if isinstance(handle.settled, ev.Grant):
                self.monitor.weights.want()
            self.attend()

    def attend(self, clients: int | None = None) -> None:
        """How many clients are connected: with none, polling slows down."""
        watch = self.monitor.watch
        watch.attend(clients=watch.clients if clients is None else clients, requests=self.supervisor.open_requests())

    async def close(self, drain: float, *, last_words: float) -> None:
        """Begin nothing more, let answers end for at most ``drain`` seconds, then take every lease back."""
        self.post(ev.Closing())
        with anyio.move_on_after(drain):
            while self.handles():
                await self.changed()
        self.revoke_all("shutting_down", "innkeepd is stopping")
        with anyio.move_on_after(last_words):
            while self.handles():
                await self.changed()

    # ---- what a user asks of memory ----

    async def unload(self, leaving: tuple[str, ...]) -> None:
        """Unload these weights once their answers have ended.

        Raises ``BackendFault``: ``load_failed`` where one stays, ``backend_unreachable`` at once where Ollama is away.
        """
        await self.monitor.insist()
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
            is_removed = all(name not in self.catalog.models for name in staying)
            why = (
                "removed from the disk, it can no longer be named to Ollama, and leaves when its keep_alive ends"
                if is_removed
                else "is another program using it?"
            )
            raise BackendFault("load_failed", f"{', '.join(staying)} did not leave memory; {why}")

    async def cancel_load(self, weights: str, *, by: str = "") -> bool:
        """Give up a load that is under way and wait for its end; False where that model is not loading."""
        if not self.loader.cancel(weights, by=by):
            return False
        going = self._resident(weights)
        while going is not None and self._resident(weights) is going and not going.is_resident:
            await self.changed()
        return True

    def _take(self, event: ev.Event) -> None:
        """Post an event whose effect the caller keeps on disk.

        Raises ``OwnerFault`` where the supervisor fails at it: kept, it would repeat the fault at each restart.
        """
        self.post(event)
        if self.supervisor.fault is not None:
            raise self.supervisor.fault

    def _resident(self, weights: str) -> Residency | None:
        return self.scheduler.ledger.residents.get(weights)

    def pin(self, name: str, *, pinned: bool = True) -> None:
        """Keep a model, or no longer."""
        (self.catalog.pins.add if pinned else self.catalog.pins.discard)(name)
        self._take(ev.PinSet(self.weights_of(name), pinned))

    async def hold(
        self, seconds: float, *, drain: float, why: str = "", begun: Callable[[float], None] = lambda _until: None
    ) -> float:
        """Give the memory back; returns once it is, with the instant until which nothing is loaded.

        ``begun`` is called with that instant as soon as the supervisor has taken the hold, before anything is awaited.
        """
        until = self.now() + seconds
        self._take(ev.HoldBegan(until, why))
        begun(until)
        self.attend()
        self.tell("residency", "on hold", {"seconds": seconds, "why": why})
        with anyio.move_on_after(drain):
            while self._local_leases():
                await self.changed()
        for handle in self._local_leases():
            handle.revoke("on_hold", f"a hold{quoted(why)} cut this answer short")
        while self.scheduler.held_until is not None and self._holds_memory():
            with anyio.move_on_after(FRESH):
                await self.changed()
        return until

    def resume(self) -> bool:
        """End a hold; False where there is none."""
        was_held = self.scheduler.state.is_on_hold or bool(self.scheduler.state.limits.why)
        self._take(ev.HoldEnded())
        if was_held:
            self.tell("residency", "hold ended", {})
        return was_held

    def _holds_memory(self) -> bool:
        """Whether Ollama may still have a model of ours in memory; one that does not answer can be told nothing."""
        seen = self.monitor.observation
        is_away = seen is not None and not seen.reachable
        return not is_away and any(not resident.spared for resident in self.scheduler.ledger.residents.values())

    def is_heavy(self, name: str) -> bool:
        """Whether the model of this name is heavy; False for one that is not known."""
        return self.scheduler.ledger.is_heavy(self.weights_of(name))

    def _granted(self) -> list[LeaseHandle]:
        return [handle for handle in self.handles() if isinstance(handle.settled, ev.Grant)]

    def _local_leases(self) -> list[LeaseHandle]:
        ledger = self.scheduler.ledger
        return [
            h for h in self.handles() if isinstance(h.settled, ev.Grant) and not ledger.is_remote(h.settled.weights)
        ]

    # ---- what was learned ----

    def distrust(self, weights: str) -> None:
        """A runner ran out of memory in an answer: unload it, and look at what is left before anybody is granted.

        Since 0.30 Ollama then lets every model go, pinned ones too; where it does not, the runner goes on failing.
        """
        self.monitor.distrust()
        self.post(ev.UnloadAsked((weights,)))

    def know_again(self) -> None:
        """Post what is known of models by now."""
        self.post(ev.Known(self.catalog.specs()))

    def learned_answer(self, weights: str, **figures: float) -> None:
        """Take what an answer taught: ``service`` seconds, ``decode`` and ``prefill`` tokens a second."""
        self.catalog.estimates.learned_answer(weights, **figures)
        self._learned()

    def learn_overlap(self, weights: str, granted: float, first: float, ended: float) -> None:
        """Take when an answer was granted, began and ended: where fewer overlap than were granted, grant fewer."""
        if self.scheduler.ledger.slots(weights) > 1 and self.catalog.slots.answered(
            weights, Answer(granted, first, ended)
        ):
            self.know_again()

    def learn_of(self, candidates: list[Candidate]) -> None:
        """Make sure that the scheduler knows remote candidates that no role names."""
        missing = [c for c in candidates if c.backend and c.weights not in self.scheduler.ledger.specs]
        if missing:
            waited_for = {weights for waiter in self.scheduler.queue for weights in waiter.ticket.chain}
            self.catalog.remember(missing, waited_for | {lease.weights for lease in self.scheduler.leases.all()})
            self.know_again()

    def judge(self, candidate: Candidate, code: str | None = None, message: str = "") -> None:
        """What a model elsewhere showed (``code`` None: it answered). Out of reach is an engine with all its models."""
        cooling, specs = self.scheduler.cooling, self.scheduler.ledger.specs.values()
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
        self.scheduler.rules = self.catalog.scheduler_settings()
        self._rules = rules_of_use(self.catalog.config)
        self.usage.nudge()
        self.know_again()
        self.monitor.measure()
