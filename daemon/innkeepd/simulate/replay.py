"""A trace of requests, played in virtual time against the same ``Scheduler.step`` that the daemon runs.

The machine: service alone = prompt / prefill + out / decode seconds; k requests running at once, of any models, each
advance at 1/k of that speed; loads and unloads take their time and slow no answer. Memory is empty at time 0.
"""

from typing import Literal

from msgspec import Struct, field, structs

from innkeepd.policy.model import GIB
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.player import Player
from innkeepd.policy.scheduling.scheduler import Scheduler, SchedulerSettings
from innkeepd.simulate.trace import DEFAULT_MACHINE, Machine, MachineModel, TraceRequest

__all__ = ["Outcome", "Report", "Span", "World", "delay", "replay", "totals"]

WEIGHT = {"interactive": 1.0, "agent": 0.5, "batch": 0.05}


class Outcome(Struct, omit_defaults=False):
    """What became of a request; instants in seconds since the trace began."""

    id: str
    priority: ev.Priority
    asked: float
    alone: float = 0.0
    start: float | None = None
    end: float | None = None
    model: str | None = None
    refused: bool = False
    cancelled: bool = False
    model_wait: float | None = None


class Span(Struct, frozen=True):
    """A model in one state for a while: ``loading``, ``resident`` or ``unloading``."""

    model: str
    state: Literal["loading", "resident", "unloading"]
    start: float
    end: float


class Report(Struct):
    """A finished run."""

    outcomes: list[Outcome]
    swaps: int
    end: float = 0.0
    spans: list[Span] = field(default_factory=list)
    log: list[tuple[float, ev.Event, list[ev.Action]]] = field(default_factory=list)


class _Job(Struct):
    request: TraceRequest
    model: str
    left: float


class World:
    """The virtual machine around one scheduler."""

    def __init__(
        self, requests: list[TraceRequest], machine: Machine, rules: SchedulerSettings, *, keep_log: bool = False
    ) -> None:
        self._scheduler = Scheduler(rules)
        self._machine = machine
        self._requests = {request.id: request for request in requests}
        self._line_of = {request.id: number for number, request in enumerate(requests)}
        self._followers: dict[str, list[TraceRequest]] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._running: dict[str, _Job] = {}
        self._player: Player[TraceRequest] = Player(
            self._scheduler,
            0.0,
            load_s=lambda weights: machine.models[weights].load_s,
            unload_s=lambda weights: machine.models[weights].unload_s,
        )
        self._since: dict[str, float] = {}
        self._report = Report([], 0)
        self._keep_log = keep_log
        for request in requests:
            if request.after is None:
                self._player.push(request.t or 0.0, request, self._line_of[request.id])
            else:
                self._followers.setdefault(request.after, []).append(request)

    def run(self) -> Report:
        """Play everything to its end."""
        budget = int(self._machine.budget_gib * GIB)
        self._step(ev.Known(tuple(self._spec(name, model) for name, model in self._machine.models.items())))
        self._step(ev.Measured(budget))
        while (at := self._next_instant()) is not None:
            self._advance_to(at)
            self._happen()
        for weights in list(self._since):
            self._close_span(weights)
        self._report.end = self._now
        self._report.outcomes = [self._outcomes[name] for name in self._requests if name in self._outcomes]
        return self._report

    def _spec(self, name: str, model: MachineModel) -> ev.Spec:
        size = int(model.gib * GIB)
        return ev.Spec(name, name, ((4096, size),), heavy=model.heavy, parallel=self._machine.parallel)

    # ---- time ----

    @property
    def _now(self) -> float:
        return self._player.now

    def _next_instant(self) -> float | None:
        times = [] if self._player.next_at is None else [self._player.next_at]
        if self._running:
            times.append(self._now + min(job.left for job in self._running.values()) * len(self._running))
        if self._player.wake is not None and (times or len(self._scheduler.queue)):
            times.append(self._player.wake)
        return min(times, default=None)

    def _advance_to(self, at: float) -> None:
        share = (at - self._now) / len(self._running) if self._running else 0.0
        for job in self._running.values():
            job.left -= share
        self._player.now = at

    def _happen(self) -> None:
        """One thing at a time: an answer that ends, else what is due on the heap, else the scheduler's timer."""
        ended = next((job for job in self._running.values() if job.left <= 1e-9), None)
        if ended is not None:
            self._end(ended.request.id)
        elif (due := self._player.next_at) is not None and due <= self._now:
            what = self._player.pop()
            if isinstance(what, TraceRequest):
                self._arrive(what)
            elif isinstance(what, ev.Cancelled):
                self._leave(what.ticket)
            else:
                self._step(what)
        else:
            self._step(ev.Woke())

    # ---- what happens ----

    def _arrive(self, request: TraceRequest) -> None:
        here = self._scheduler.ledger.has(self._primary(request), 0)
        self._outcomes[request.id] = Outcome(request.id, request.priority, self._now, model_wait=0.0 if here else None)
        if request.cancel is not None:
            self._player.after(request.cancel, ev.Cancelled(request.id))
        chain, session = tuple(request.chain), request.session
        ticket = ev.Ticket(request.id, chain, request.priority, session, request.last, request.patience)
        self._step(ev.Asked(ticket))

    def _primary(self, request: TraceRequest) -> str:
        """The first of the chain that can ever fit."""
        models, budget = self._machine.models, self._machine.budget_gib
        return next((name for name in request.chain if name in models and models[name].gib <= budget), "")

    def _leave(self, name: str) -> None:
        outcome = self._outcomes[name]
        if outcome.end is not None or outcome.refused:
            return
        outcome.cancelled, outcome.end = True, self._now
        running = self._running.pop(name, None)
        self._follow(name)
        self._step(ev.Released(name) if running else ev.Cancelled(name))

    def _end(self, name: str) -> None:
        del self._running[name]
        self._outcomes[name].end = self._now
        self._follow(name)
        self._step(ev.Released(name))

    def _follow(self, name: str) -> None:
        for request in self._followers.get(name, []):
            self._player.push(self._now + request.think, request, self._line_of[request.id])

    def _step(self, event: ev.Event) -> None:
        actions = self._player.step(event)
        if self._keep_log:
            self._report.log.append((self._now, event, list(actions)))
        for action in actions:
            self._act(action)
        self._note_waits()

    def _act(self, action: ev.Action) -> None:
        match action:
            case ev.Load(_, weights):
                self._since[weights] = self._now
            case ev.Unload(_, weights):
                self._report.swaps += 1
                self._close_span(weights)
                gone = self._now + self._machine.models[weights].unload_s
                self._report.spans.append(Span(weights, "unloading", self._now, gone))
            case ev.Grant(ticket, weights):
                self._start(ticket, weights)
            case ev.Refuse(ticket):
                self._outcomes[ticket].refused = True
                self._follow(ticket)
            case _:
                pass  # the player takes care of timers

    def _close_span(self, weights: str) -> None:
        """A model's stay ends now: note how long it loaded and how long it was there."""
        since = self._since.pop(weights)
        loaded = min(self._now, since + self._machine.models[weights].load_s)
        self._report.spans.append(Span(weights, "loading", since, loaded))
        self._report.spans.append(Span(weights, "resident", loaded, self._now))

    def _start(self, ticket: str, weights: str) -> None:
        request, model = self._requests[ticket], self._machine.models[weights]
        alone = request.prompt / model.prefill_tps + request.out / model.decode_tps
        outcome = self._outcomes[ticket]
        outcome.start, outcome.model, outcome.alone = self._now, weights, alone
        if outcome.model_wait is None:
            outcome.model_wait = self._now - outcome.asked
        self._running[ticket] = _Job(request, weights, alone)

    def _note_waits(self) -> None:
        """A request's model-wait ends when its primary is in memory for the first time."""
        for waiter in self._scheduler.queue:
            outcome = self._outcomes[waiter.ticket.id]
            if outcome.model_wait is None and self._scheduler.ledger.has(waiter.wants, 0):
                outcome.model_wait = self._now - outcome.asked


def replay(
    requests: list[TraceRequest],
    machine: Machine = DEFAULT_MACHINE,
    rules: SchedulerSettings | None = None,
    *,
    keep_log: bool = False,
) -> Report:
    """Play a trace. ``simulate`` runs without idle unload: the measure is the order, not the housekeeping."""
    rules = structs.replace(rules or SchedulerSettings(), idle_unload=None)
    return World(requests, machine, rules, keep_log=keep_log).run()


def delay(outcome: Outcome) -> float:
    """Seconds that a served request took more than it would have alone, with its model in memory."""
    return max(0.0, (outcome.end or 0.0) - outcome.asked - outcome.alone)


def totals(report: Report) -> dict[str, float]:
    """The measures. Means leave refused and cancelled requests out; two minutes count double in ``fair_cost``."""
    served = [o for o in report.outcomes if o.end is not None and not o.cancelled]
    delays = [delay(o) for o in served]
    cost = [_fair(o.priority, late) for o, late in zip(served, delays, strict=True)]
    waits = [o.model_wait or 0.0 for o in served if o.priority != "batch"]
    return {
        "swaps": report.swaps,
        "mean_delay": sum(delays) / len(delays) if delays else 0.0,
        "fair_cost": sum(cost) / len(cost) if cost else 0.0,
        "longest_model_wait": max(waits, default=0.0),
        "refused": sum(o.refused for o in report.outcomes),
    }


def _fair(priority: ev.Priority, late: float) -> float:
    weight = WEIGHT[priority]
    return weight * late if priority == "batch" else weight * (late + late * late / 120)
