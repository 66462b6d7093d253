"""Random lives of a scheduler: a world around it that keeps its promises, and one that lies and fails.

``Life`` performs what the scheduler asks for and checks, at every step, what must always stay true.
"""

import random

from innkeepd.policy.scheduling import errands
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.residency import LOADING, UNLOADING
from innkeepd.policy.scheduling.scheduler import Scheduler, SchedulerSettings

GB = 10
"""A small unit, so that failing cases are easy to read."""

MODELS = {
    "a": ev.Spec("a", "a:32b", ((4096, 20), (8192, 22)), heavy=True, load_s=12, unload_s=1, service_s=20),
    "b": ev.Spec("b", "b:32b", ((4096, 21), (16384, 25)), heavy=True, parallel=2, load_s=16, unload_s=1, service_s=30),
    "c": ev.Spec("c", "c:24b", ((8192, 17),), context=8192, heavy=True),
    "l": ev.Spec("l", "l:8b", ((4096, 6), (8192, 7)), load_s=4, unload_s=1, service_s=10),
    "m": ev.Spec("m", "m:3b", ((4096, 3),)),
    "h": ev.Spec("h", "h:70b", ((4096, 42),), heavy=True),
    "r": ev.Spec("r", "far/r", ((0, 0),), context=0, parallel=2, remote=True, engine="far"),
}
NAMES = ("a", "b", *MODELS, "unknown")


class SchedulerRun:
    """One scheduler and the world around it, in virtual time. ``clean`` worlds hold no foreign loads and no lies."""

    def __init__(self, rules: SchedulerSettings | None = None) -> None:
        self.scheduler = Scheduler(rules or SchedulerSettings())
        self.now = 0.0
        self.wake: float | None = None
        self.loads: dict[int, ev.Load] = {}
        self.unloads: dict[int, ev.Unload] = {}
        self.renewals: dict[int, str] = {}
        self.waiting: set[str] = set()
        self.granted: dict[str, str] = {}
        self.ended: dict[str, str] = {}
        self.asked = 0
        self.errands: set[str] = set()
        self.chains: dict[str, tuple[str, ...]] = {}
        self.used: dict[str, float] = {}
        self.log: list[tuple[ev.Event, float, list[ev.Action]]] = []

    def step(self, event: ev.Event) -> list[ev.Action]:
        if isinstance(event, ev.Asked):
            self.waiting.add(event.ticket.id)
            self.chains[event.ticket.id] = event.ticket.chain
            if event.ticket.errand:
                self.errands.add(event.ticket.id)
        if isinstance(event, ev.Cancelled) and event.ticket in self.waiting:
            self.waiting.remove(event.ticket)
            self.ended[event.ticket] = "cancelled"
        if isinstance(event, ev.Released) and event.ticket in self.granted:
            weights = self.granted.pop(event.ticket)
            if event.ticket not in self.errands:
                self.used[weights] = self.now
        actions = self.scheduler.step(event, self.now)
        self.log.append((event, self.now, list(actions)))
        self.wake = None
        for action in actions:
            self._take(action)
        self.check()
        return actions

    def _take(self, action: ev.Action) -> None:
        match action:
            case ev.Load(op=op, weights=weights):
                is_wanted = self._is_wanted(weights) or weights in self.scheduler.state.recycled
                assert is_wanted or not MODELS[weights].heavy, "no heavy model is loaded for an errand"
                assert op not in self.loads and op not in self.unloads
                assert not self.loads and not self.unloads, "one load at a time, never during an unload"
                self._check_load(action)
                self.loads[op] = action
            case ev.Unload(op=op, weights=weights, wanted_by=wanted_by):
                assert wanted_by is None or self._is_wanted(wanted_by), "nobody leaves for an errand"
                assert op not in self.loads and op not in self.unloads
                assert not self.loads, "nothing leaves during a load"
                assert weights not in self.granted.values(), "a model with a lease is never unloaded"
                assert weights not in self.renewals.values(), "nor is one that is being renewed"
                self.unloads[op] = action
            case ev.Renew(op=op, weights=weights):
                assert self.scheduler.ledger.residents[weights].is_resident
                assert weights not in self.renewals.values(), "one renewal of a model at a time"
                self.renewals[op] = weights
            case ev.Grant(ticket=ticket, weights=weights):
                self._end(ticket, "granted")
                self._check_errand(ticket, weights)
                self.granted[ticket] = weights
                daemon, limits = self.scheduler.ledger, self.scheduler.state.limits
                if not daemon.is_remote(weights):
                    assert not (self.scheduler.state.is_on_hold or limits.frozen)
                    assert not (limits.light_only and daemon.residents[weights].heavy)
                    (lease,) = (each for each in self.scheduler.leases.of(weights) if each.ticket.id == ticket)
                    assert not limits.batch_only or lease.ticket.priority == "batch"
                assert daemon.has(weights, 0)
                assert list(self.granted.values()).count(weights) <= daemon.slots(weights)
            case ev.Refuse(ticket=ticket):
                self._end(ticket, "refused")
            case ev.WakeAt(at=at):
                assert self.wake is None
                assert self.now < at < float("inf"), "a timer lies ahead"
                self.wake = at

    def _check_load(self, load: ev.Load) -> None:
        daemon = self.scheduler.ledger
        state, limits = self.scheduler.state, self.scheduler.state.limits
        assert not state.is_on_hold
        assert not limits.frozen
        assert not limits.no_growth
        assert not (limits.light_only and daemon.residents[load.weights].heavy)
        assert daemon.used() <= daemon.budget, "planned bytes never exceed the budget"
        if daemon.residents[load.weights].heavy:
            assert len(daemon.heavies()) <= daemon.heavy_limit, "never two heavy, not for an instant"

    def _is_wanted(self, weights: str) -> bool:
        """Whether a conversation may want it: the step has ended, so those that it granted still count as waiting."""
        return any(weights in self.chains[ticket] for ticket in self.waiting - self.errands)

    def _check_errand(self, ticket: str, weights: str) -> None:
        if ticket not in self.errands:
            self.used[weights] = float("inf")
        elif (resident := self.scheduler.ledger.residents.get(weights)) is not None and resident.heavy:
            used = self.used.get(weights, float("-inf"))
            assert weights not in self.granted.values()
            assert self.now >= used + errands.WARM, "an errand takes no warm slot of a heavy model"

    def _end(self, ticket: str, how: str) -> None:
        assert ticket in self.waiting, f"{ticket} ends twice"
        self.waiting.remove(ticket)
        self.ended[ticket] = how

    def check(self) -> None:
        """What holds between any two events."""
        scheduler = self.scheduler
        assert {w.ticket.id for w in scheduler.queue} == self.waiting
        assert {lease.ticket.id for lease in scheduler.leases.all()} == set(self.granted)
        states = {r.weights: r.state for r in scheduler.ledger.residents.values()}
        assert {w for w, s in states.items() if s == LOADING} == {load.weights for load in self.loads.values()}
        assert {w for w, s in states.items() if s == UNLOADING} == {u.weights for u in self.unloads.values()}
        if self.waiting:
            # No lost wake-up: something is under way, or a timer will look again.
            under_way = self.loads or self.unloads or self.granted or self.renewals
            assert under_way or self.wake is not None, "somebody waits for nothing"

    # ---- what may happen ----

    def ask(self, **spec: object) -> str:
        self.asked += 1
        name = f"t{self.asked}"
        self.step(ev.Asked(ev.Ticket(name, **spec)))  # type: ignore[arg-type] - drawn by the test
        return name

    def load_ended(self, op: int, code: str | None = None, footprint: int | None = None) -> None:
        self.loads.pop(op, None)
        self.step(ev.LoadEnded(op, code, "the load's text", footprint))

    def unload_ended(self, op: int, code: str | None = None) -> None:
        self.unloads.pop(op, None)
        self.step(ev.UnloadEnded(op, code, "the unload's text"))

    def renew_ended(self, op: int) -> None:
        self.renewals.pop(op, None)
        self.step(ev.RenewEnded(op))

    def truth(self) -> tuple[ev.Seen, ...]:
        """What ``/api/ps`` says where nobody interferes."""
        residents = self.scheduler.ledger.residents.values()
        return tuple(ev.Seen(r.weights, r.footprint, r.context, r.expires) for r in residents if r.state != LOADING)

    def settle(self, most: int = 3000) -> None:
        """Let time run with an engine that works, until nobody waits and nothing changes; fail if that never comes."""
        for _ in range(most):
            if self.loads:
                self.now += 5
                self.load_ended(next(iter(self.loads)))
            elif self.unloads:
                self.now += 1
                self.unload_ended(next(iter(self.unloads)))
            elif self.renewals:
                self.renew_ended(next(iter(self.renewals)))
            elif self.granted:
                self.now += 10
                self.step(ev.Released(next(iter(self.granted))))
            elif self.waiting:
                assert self.wake is not None
                self.now = self.wake
                self.step(ev.Woke())
            else:
                return
        raise AssertionError(f"nobody can wait for ever: {self.scheduler!r}")

    def replayed(self) -> bool:
        """Whether the same events give the same actions."""
        other = Scheduler(self.log_rules)
        return all(other.step(event, at) == actions for event, at, actions in self.log)

    @property
    def log_rules(self) -> SchedulerSettings:
        return self.scheduler.rules


def begin(budget: int = 27, rules: SchedulerSettings | None = None, free: int | None = None) -> SchedulerRun:
    """A life with the catalogue known and the memory measured."""
    life = SchedulerRun(rules)
    life.step(ev.Known(tuple(MODELS.values())))
    life.step(ev.Measured(budget, free))
    return life


def random_event(life: SchedulerRun, dice: random.Random, *, foreign: bool) -> None:
    """One thing that may happen, drawn by ``dice``."""
    life.now += dice.choice([0, 0, 0.5, 3, 30, 100])
    roll = dice.random()
    if roll < 0.3:
        chain = tuple(dice.choices(NAMES, k=dice.choice([0, 1, 1, 2, 2, 3, 4])))
        life.ask(
            chain=chain,
            priority=dice.choice(ev.PRIORITIES),
            session=dice.choice([None, "s"]),
            last=dice.random() < 0.5,
            patience=dice.choice([None, None, 0, 5, 45]),
            need=dice.choice([0, 0, 0, 0, 0, 0, 4096, 8192, 16384, 99999]),
            insist=dice.random() < 0.1,
            errand=dice.random() < 0.2,
            takes_warm=dice.random() < 0.5,
        )
    elif roll < 0.42 and life.loads:
        code = dice.choice([None, None, "load_failed", "out_of_memory", "backend_unreachable", "cancelled"])
        life.load_ended(next(iter(life.loads)), code, dice.choice([None, None, 5, 21, 26, 40]))
    elif roll < 0.54 and life.unloads:
        op = dice.choice(list(life.unloads))
        life.unload_ended(op, dice.choice([None, None, None, "load_failed", "backend_unreachable"]))
    elif roll < 0.57 and life.renewals:
        life.renew_ended(dice.choice(list(life.renewals)))
    elif roll < 0.68 and life.granted:
        life.step(ev.Released(dice.choice(list(life.granted))))
    elif roll < 0.72 and life.waiting:
        life.step(ev.Cancelled(dice.choice(sorted(life.waiting))))
    elif roll < 0.8:
        life.step(ev.Woke())
    elif roll < 0.83:
        life.step(ev.PinSet(dice.choice(NAMES), dice.random() < 0.5))
    elif roll < 0.86:
        life.step(ev.UnloadAsked(tuple(dice.sample(NAMES, 2))))
    elif roll < 0.88:
        life.step(ev.HoldBegan(life.now + dice.choice([-1, 0, 10, 300])))
    elif roll < 0.89:
        life.step(ev.HoldEnded())
    elif roll < 0.9:
        drawn = {name: dice.random() < 0.2 for name in ("hold", "light_only", "batch_only", "no_growth", "frozen")}
        life.step(ev.Limited(**drawn, why="a rule" if any(drawn.values()) else ""))
    elif roll < 0.94:
        pressure: ev.Pressure = dice.choice(["normal", "normal", "warning", "critical"])
        life.step(ev.Measured(dice.choice([27, 27, 27, 30, 24, 8, 60]), dice.choice([None, None, 30, 5]), pressure))
    elif roll < 0.95:
        life.step(ev.Known(tuple(s for s in MODELS.values() if dice.random() < 0.9)))
    elif roll < 0.96:
        stale(life, dice)
    elif roll < 0.97:
        life.step(ev.Judged(dice.choice(["r", "a"]), dice.choice([None, "backend_unreachable", "stalled"]), "text"))
    elif foreign:
        meddle(life, dice)
    else:
        life.step(ev.Observed(life.now, life.truth(), epoch=0.0))


def stale(life: SchedulerRun, dice: random.Random) -> None:
    """Ids that nobody knows, or that are over: nothing comes of them but what time itself brings."""
    number = dice.randint(1000, 2000)
    over = dice.choice([*life.ended, "nobody"]) if life.ended else "nobody"
    if over in life.granted:
        over = "nobody"
    event = dice.choice(
        [
            ev.LoadEnded(number),
            ev.LoadEnded(0, "load_failed"),
            ev.UnloadEnded(number),
            ev.UnloadEnded(0, "stuck"),
            ev.RenewEnded(number),
            ev.RenewEnded(0),
            ev.Cancelled(over),
            ev.Released(over),
        ]
    )
    life.step(ev.Woke())
    wake = life.wake
    assert [action for action in life.step(event) if not isinstance(action, ev.WakeAt)] == []
    assert life.wake == wake


def meddle(life: SchedulerRun, dice: random.Random) -> None:
    """Another tool loads, Ollama evicts, or an answer is late, or lies."""
    shown = [seen for seen in life.truth() if dice.random() < 0.8]
    for weights in dice.sample([*NAMES, "stranger"], 1):
        if weights != "r" and all(seen.weights != weights for seen in shown):
            shown.append(ev.Seen(weights, dice.choice([0, 6, 20, 40]), dice.choice([None, 4096]), life.now + 300))
    sent = life.now - dice.choice([0, 0, 1, 50])
    life.step(ev.Observed(sent, tuple(shown), epoch=0.0))
