"""The single owner of scheduler state: events go in, ``Scheduler.step`` decides, actions are started.

``post`` is the only way in, and it never waits: ``perform`` starts a load, an unload or a renewal, whose end comes back
as an event. Everything that may stop a model comes through here. Readers get copies (``snapshot.py``).

After a fault in or behind ``step`` the state cannot be trusted: an action that was decided may never be performed, and
everybody would wait for its end. The fault is handed to ``on_fault``, which ends the process. Nothing is lost by that:
the next daemon adopts what Ollama holds, and a promise is only confirmed once it is written.
"""

from collections import deque
from collections.abc import Callable

import anyio

from innkeepd.machine.power import Awake
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.scheduler import Scheduler
from innkeepd.residency.announcer import Announcer
from innkeepd.residency.clock import Clock
from innkeepd.residency.lease import LeaseHandle
from innkeepd.residency.ticker import Ticker

Journal = Callable[[float, ev.Event, list[ev.Action]], None]
"""Takes the instant, the event and what was decided."""


MEMORY = (ev.LoadEnded, ev.UnloadEnded, ev.HoldBegan, ev.HoldEnded, ev.Closing)
"""Events that change what every waiter reports."""


class OwnerFault(Exception):
    """A fault in or behind the scheduler's step; ``event`` and ``state`` as text, the fault itself as its cause."""

    def __init__(self, event: ev.Event, state: str) -> None:
        super().__init__(f"the owner of the memory failed at {event!r}")
        self.event = repr(event)
        self.state = state


def _raise(fault: OwnerFault) -> None:
    raise fault


class Supervisor:
    """The only writer of scheduler state: an inbox, a step and a timer. Nothing in it waits for the world."""

    def __init__(
        self,
        scheduler: Scheduler,
        clock: Clock,
        *,
        perform: Callable[[ev.Load | ev.Unload | ev.Renew], None],
        announcer: Announcer,
        awake: Awake,
        journal: Journal | None = None,
    ) -> None:
        self.on_fault: Callable[[OwnerFault], None] = _raise
        self._scheduler = scheduler
        self._clock = clock
        self._perform = perform
        self._announcer = announcer
        self._awake = awake
        self._journal = journal
        self._inbox: deque[ev.Event] = deque()
        self._is_stepping = False
        self._has_memory_changed = False
        self.fault: OwnerFault | None = None
        """The fault after which no event is taken; None while all is well."""
        self._handles: dict[str, LeaseHandle] = {}
        self.ticker = Ticker(scheduler.queue, clock.now, self._wake_waiter)
        self._changed = anyio.Event()
        self._is_watched = False
        self._rearm = anyio.Event()
        self._wake_at: float | None = None
        self._rings_at = float("inf")

    def __repr__(self) -> str:
        return f"Supervisor({self._scheduler!r})"

    # ---- the way in ----

    def post(self, event: ev.Event) -> None:
        """Take one event, decide, start what is to be done. Never waits, never fails for what the world does.

        After a fault of our own nothing is taken any more: the process is about to end.
        """
        if self.fault is not None:
            return
        self._inbox.append(event)
        if self._is_stepping:
            return
        self._is_stepping = True
        self._has_memory_changed = False
        try:
            while self._inbox:
                event = self._inbox.popleft()
                self._step(event)
        except Exception as error:  # noqa: BLE001
            self._fail(event, error)
        finally:
            self._is_stepping = False
        self.ticker.changed(memory=self._has_memory_changed)
        if self._is_watched:
            self._is_watched = False
            self._changed.set()
            self._changed = anyio.Event()

    def _wake_waiter(self, ticket: str) -> None:
        if (handle := self._handles.get(ticket)) is not None:
            handle.wake()

    def _step(self, event: ev.Event) -> None:
        now = self._clock.now()
        actions = self._scheduler.step(event, now)
        wake_at: float | None = None
        for action in actions:
            match action:
                case ev.Grant():
                    self._granted(action)
                case ev.Refuse():
                    self._refused(action)
                case ev.WakeAt(at):
                    wake_at = at
                case _:
                    self._has_memory_changed = True
                    self._perform(action)
        if isinstance(event, MEMORY):
            self._has_memory_changed = True
        if wake_at is not None and wake_at < self._rings_at:
            self._rearm.set()
        self._wake_at = wake_at
        if self._journal is not None:
            self._write_journal(self._journal, now, event, actions)

    def _write_journal(self, journal: Journal, now: float, event: ev.Event, actions: list[ev.Action]) -> None:
        """A journal that cannot be written (a full disk) is given up; it is for bug reports only."""
        try:
            journal(now, event, actions)
        except Exception as error:  # noqa: BLE001
            self._journal = None
            self._announcer.report("the journal, which is given up", error)

    def _fail(self, event: ev.Event, error: Exception) -> None:
        """The owner's own fault: whatever was decided may be half done."""
        self._inbox.clear()
        self.fault = fault = OwnerFault(event, f"{self._scheduler!r}, {len(self._handles)} requests")
        fault.__cause__ = error
        self.on_fault(fault)

    def _granted(self, action: ev.Grant) -> None:
        handle = self._handles.get(action.ticket)
        if handle is None:
            self._inbox.append(ev.Released(action.ticket))
            return
        handle.settle(action)
        self._awake.begin("answer")

    def _refused(self, action: ev.Refuse) -> None:
        self._announcer.counts["refusals"] += 1
        handle = self._handles.get(action.ticket)
        if handle is not None:
            handle.settle(action)

    # ---- leases ----

    def ask(self, ticket: ev.Ticket, client: str = "") -> LeaseHandle:
        """Queue for a model; ``client`` says for whom. Whoever asks gives the handle back with ``end``."""
        handle = self._handles[ticket.id] = LeaseHandle(ticket, self._clock.now(), client)
        self.post(ev.Asked(ticket))
        return handle

    def end(self, handle: LeaseHandle) -> None:
        """Leave the queue, or give the lease back."""
        del self._handles[handle.ticket.id]
        if isinstance(handle.settled, ev.Grant):
            self._awake.end("answer")
            self.post(ev.Released(handle.ticket.id))
        elif handle.settled is None:
            self.post(ev.Cancelled(handle.ticket.id))

    def handles(self) -> list[LeaseHandle]:
        """Everybody who waits or holds a lease."""
        return list(self._handles.values())

    def open_requests(self) -> int:
        """How many wait or hold a lease."""
        return len(self._handles)

    def revoke_all(self, code: str, message: str) -> None:
        """Take every lease back."""
        for handle in self.handles():
            handle.revoke(code, message)

    async def changed(self) -> None:
        """Wait for the next change of anything."""
        self._is_watched = True
        await self._changed.wait()

    # ---- the timer ----

    def rearm(self) -> None:
        """The clock jumped: compute the timer anew."""
        self._rearm.set()

    async def run_timer(self) -> None:
        """Run the scheduler's timer until cancelled.

        It may ring early and for nothing: most timers are put off by the next request.
        """
        while True:
            self._rearm = anyio.Event()
            self._rings_at = float("inf") if self._wake_at is None else self._wake_at
            with anyio.move_on_after(max(self._rings_at - self._clock.now(), 0.0)):
                await self._rearm.wait()
            if self._wake_at is not None and self._wake_at <= self._clock.now():
                self._wake_at = None
                self.post(ev.Woke())
