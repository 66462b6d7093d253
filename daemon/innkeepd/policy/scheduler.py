"""Which model holds the memory, and who is served next: ``step(event, now) -> [action]``, one decision tree for all triggers.

What must always stay true, whatever comes in whatever order (``tests/daemon/policy/test_scheduler.py`` proves it by random runs):
at most ``heavy_limit`` heavy models are resident, loading or still unloading by our doing; planned bytes never exceed the budget; a
model with a lease is never unloaded; each ticket ends exactly once; whoever waits has something under way or a timer; unknown or
old ids change nothing; the same events give the same actions.

After every event ``_advance`` goes through the same numbered steps: wishes, one change of memory at most, grants, the next timer.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal

from msgspec import Struct

from innkeepd.policy import events as ev
from innkeepd.policy.admission import House, fits, obstacle, victims_for
from innkeepd.policy.lease import Lease, Leases
from innkeepd.policy.line import Line, Waiter, in_order
from innkeepd.policy.residency import LOADING, UNLOADING, Cooling, Residency
from innkeepd.policy.turns import make_gate, yields


class Rules(Struct, frozen=True):
    """The knobs: W, batch W, G, H in seconds and requests; ``hold_wait`` is how long a chat bears a hold by default."""

    turn: float = 90.0
    batch_turn: float = 600.0
    gate: int = 4
    session_hold: float = 6.0
    queue_limit: int = 512
    heavy_limit: int = 1
    idle_unload: float | None = 300.0
    hold_wait: float = 60.0
    order: Literal["turns", "fifo"] = "turns"


class Scheduler:
    """The owner of every fact about residency, leases and the line. Touch it through ``step`` only; readers get copies."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.house = House(heavy_limit=self.rules.heavy_limit)
        self.line = Line(self.rules.turn, self.rules.batch_turn)
        self.leases = Leases()
        self.cooling: dict[str, Cooling] = {}
        self.held_until: float | None = None
        self._held_since = 0.0
        self._gone: dict[str, float] = {}
        self._closing = False
        self._ops = 0
        self._now = 0.0
        self._actions: list[ev.Action] = []
        self._on: dict[type, Callable[[Any, float], None]] = {
            ev.Known: self._known,
            ev.Measured: self._measured,
            ev.Asked: self._asked,
            ev.Cancelled: self._cancelled,
            ev.Released: self._released,
            ev.LoadEnded: self._load_ended,
            ev.UnloadEnded: self._unload_ended,
            ev.Observed: self._observed,
            ev.PinSet: self._pin_set,
            ev.UnloadAsked: self._unload_asked,
            ev.HoldBegan: self._hold_began,
            ev.HoldEnded: self._hold_ended,
            ev.Closing: self._close,
            ev.Woke: lambda _event, _now: None,
        }

    def __repr__(self) -> str:
        rooms = ", ".join(f"{r.weights} {r.state}" for r in self.house.residents.values())
        return f"Scheduler([{rooms}], {len(self.line)} waiting, {self.leases!r})"

    def step(self, event: ev.Event, now: float) -> list[ev.Action]:
        """Take one event at ``now`` (seconds, never falling) and say what is to be done, in order."""
        self._actions = []
        self._now = now
        self._on[type(event)](event, now)
        self._advance(now)
        return self._actions

    # ---- what events change ----

    def _known(self, event: ev.Known, _now: float) -> None:
        self.house.specs = {spec.weights: spec for spec in event.specs}
        for resident in self.house.residents.values():
            spec = self.house.specs.get(resident.weights)
            resident.heavy = spec.heavy if spec else resident.heavy

    def _measured(self, event: ev.Measured, _now: float) -> None:
        self.house.budget, self.house.free, self.house.pressure = event.budget, event.free, event.pressure

    def _asked(self, event: ev.Asked, now: float) -> None:
        ticket = event.ticket
        if ticket.id in self.line or ticket.id in self.leases:
            return
        if self._closing:
            self._actions.append(ev.Refuse(ticket.id, "shutting_down", "innkeepd is stopping"))
        elif len(self.line) >= self.rules.queue_limit:
            limit = self.rules.queue_limit
            text = f"{limit} requests wait already; try again later, or raise schedule.queue_limit"
            self._actions.append(ev.Refuse(ticket.id, "queue_full", text))
        else:
            self.line.join(ticket, now)

    def _cancelled(self, event: ev.Cancelled, _now: float) -> None:
        self.line.leave(event.ticket)

    def _released(self, event: ev.Released, now: float) -> None:
        lease = self.leases.release(event.ticket)
        if lease is None:
            return
        self.line.served(lease.weights, lease.ticket.priority, now)
        resident = self.house.residents.get(lease.weights)
        if resident is not None:
            resident.used = now
            goes_on = lease.ticket.session is not None and not lease.ticket.last
            resident.session_until = now + self.rules.session_hold if goes_on else 0.0

    def _load_ended(self, event: ev.LoadEnded, now: float) -> None:
        resident = self.house.by_op(event.op, LOADING)
        if resident is None:
            return
        if event.code is None:
            resident.turn("loaded", now)
            resident.used = now
            resident.footprint = event.footprint or resident.footprint
            self.cooling.pop(resident.weights, None)
            resident.gate = make_gate(self._waiting_for(resident), self.rules.gate)
            return
        resident.turn("failed", now)
        del self.house.residents[resident.weights]
        self._gone[resident.weights] = now
        self._fail(resident.weights, event.code, event.message, now)

    def _unload_ended(self, event: ev.UnloadEnded, now: float) -> None:
        resident = self.house.by_op(event.op, UNLOADING)
        if resident is None:
            return
        if event.code is None:
            resident.turn("gone", now)
            del self.house.residents[resident.weights]
            self._gone[resident.weights] = now
            return
        resident.turn("stayed", now)
        resident.used, resident.leaving = now, False
        if resident.wanted_by is not None:
            # It did not leave: whoever needed the room must not load on top of it.
            self._fail(resident.wanted_by, event.code, event.message, now)

    def _fail(self, weights: str, code: str, message: str, now: float) -> None:
        """A model could not be brought in: whoever wants it looks elsewhere, and nobody tries it again for a while."""
        for waiter in self.line:
            if waiter.wants == weights:
                waiter.passed.append(ev.Passed(weights, code, message))
        if code == "backend_unreachable":
            for waiter in self.line:
                self._pass_local(waiter, code, message)
        elif code != "cancelled":
            self.cooling[weights] = Cooling.after(self.cooling.get(weights), code, message, now)

    def _pass_local(self, waiter: Waiter, code: str, message: str) -> None:
        """One engine serves all local models: where it does not answer for one, it does not for the others."""
        seen = {passed.weights for passed in waiter.passed}
        for weights in waiter.ticket.chain:
            if weights not in seen and not self.house.is_remote(weights) and not self.house.has(weights, 0):
                waiter.passed.append(ev.Passed(weights, code, message))

    def _observed(self, event: ev.Observed, now: float) -> None:
        seen = {line.weights: line for line in event.running}
        for resident in list(self.house.residents.values()):
            if not resident.is_resident or resident.since > event.sent:
                continue  # on its way, or this answer is older than what we know
            line = seen.get(resident.weights)
            if line is None:
                resident.turn("vanished", now)
                del self.house.residents[resident.weights]
            elif resident.expires != line.expires:
                if resident.expires is not None and not self.leases.count(resident.weights) and not resident.owned:
                    resident.used = now  # somebody else's request moved its end
                resident.expires = line.expires
        for line in seen.values():
            if line.weights not in self.house.residents and self._gone.get(line.weights, event.sent) <= event.sent:
                self._adopt(line, now)

    def _adopt(self, line: ev.Seen, now: float) -> None:
        spec = self.house.specs.get(line.weights)
        resident = Residency(
            line.weights,
            context=line.context or (spec.context if spec else 0),
            footprint=line.size,
            heavy=spec.heavy if spec else line.size > self.house.budget // 2,
            owned=False,
            used=now,
            expires=line.expires,
            spared=self.held_until is not None,
        )
        resident.turn("seen", now)
        self.house.residents[line.weights] = resident

    def _pin_set(self, event: ev.PinSet, _now: float) -> None:
        if event.pinned:
            self.house.pins[event.weights] = True
        else:
            self.house.pins.pop(event.weights, None)

    def _unload_asked(self, event: ev.UnloadAsked, _now: float) -> None:
        for weights in event.weights:
            if weights in self.house.residents:
                self.house.residents[weights].leaving = True

    def _hold_began(self, event: ev.HoldBegan, now: float) -> None:
        self.held_until, self._held_since = event.until, now
        for resident in self.house.residents.values():
            resident.spared = False

    def _hold_ended(self, _event: ev.HoldEnded, _now: float) -> None:
        self.held_until = None

    def _close(self, _event: ev.Closing, _now: float) -> None:
        self._closing = True
        for waiter in list(self.line):
            self._refuse(waiter, "shutting_down", "innkeepd is stopping")

    # ---- the one decision tree ----

    def _advance(self, now: float) -> None:
        if self.held_until is not None and self.held_until <= now:
            self.held_until = None
        self._settle_wishes(now)
        draining = self._change_memory(now)
        self._grant_free_slots(draining, now)
        self._take_smaller(draining, now)
        if (at := self._next_timer(now)) is not None:
            self._actions.append(ev.WakeAt(at))

    def _settle_wishes(self, now: float) -> None:
        """1. Each waiter wants the best of its chain that can be had; one that can have nothing is refused."""
        for waiter in list(self.line):
            if not self._settle(waiter, now):
                last = waiter.passed[-1] if waiter.passed else ev.Passed("", "unknown_model", "no candidate is known")
                self._refuse(waiter, last.code, last.message)
            elif self._held_too_long(waiter, now):
                self._refuse(waiter, "on_hold", "the memory is on hold; `innkeep resume` ends that")

    def _settle(self, waiter: Waiter, now: float) -> bool:
        passed = {entry.weights for entry in waiter.passed}
        waiter.wants = ""
        for weights in waiter.ticket.chain:
            if weights in passed:
                continue
            cooling = None if waiter.ticket.insist else self.cooling.get(weights)
            why = obstacle(self.house, weights, waiter.ticket.need, cooling, now)
            if why is not None:
                waiter.passed.append(why)
                continue
            waiter.wants = waiter.wants or weights
            if self.held_until is None or self.house.is_remote(weights):
                waiter.wants = weights
                return True
        return bool(waiter.wants)

    def _held_too_long(self, waiter: Waiter, now: float) -> bool:
        return (
            self.held_until is not None
            and not self.house.is_remote(waiter.wants)
            and now >= self._bears_until(waiter)
        )

    def _bears_until(self, waiter: Waiter) -> float:
        patience = waiter.ticket.patience
        return max(waiter.asked, self._held_since) + (self.rules.hold_wait if patience is None else patience)

    def _change_memory(self, now: float) -> set[str]:
        """2. At most one load or unload. Returns the residents that start nothing new, because they make room."""
        draining = {r.weights for r in self.house.residents.values() if r.leaving}
        if self.held_until is not None:
            draining |= set(self.house.residents)
            self._unload_first_idle((r for r in self.house.residents.values() if not r.spared), "hold")
            return draining
        self._unload_first_idle((r for r in self.house.residents.values() if r.leaving), "asked")
        draining |= self._restore_order()
        if not self._closing:
            draining |= self._swap(now)
        self._unload_first_idle(self._pressed_out(), "pressure")
        self._unload_first_idle(self._idled_out(now), "idle")
        return draining

    def _restore_order(self) -> set[str]:
        """Somebody else's load broke a rule: the least needed model goes, as soon as that harms nobody."""
        if not self.house.is_disordered():
            return set()
        candidates = [r for r in self.house.evictable() if r.heavy or not self.house.has_too_many_heavy()]
        candidates.sort(key=lambda r: (bool(self._waiting_for(r)), self.leases.count(r.weights) > 0, r.used))
        if not candidates:
            return set()
        self._unload_first_idle(candidates[:1], "order")
        return {candidates[0].weights}

    def _swap(self, now: float) -> set[str]:
        """2a, 2b, 2c: bring in what fits, else make room for the head of the line."""
        ordered = self._ordered(now)
        if self.rules.order == "fifo":
            ordered = ordered[:1]
        absent = [waiter for waiter in ordered if not self._has(waiter)]
        if not absent:
            return set()
        if not self.house.is_changing():
            for waiter in absent:
                if fits(self.house, waiter.wants, self._context_for(waiter.wants)):
                    self._load(waiter.wants, now)
                    return set()
        head = absent[0]
        if self.house.is_loading():
            return set()
        victims = victims_for(
            self.house, head.wants, self._context_for(head.wants), lambda r: (self.leases.count(r.weights) > 0, r.used)
        )
        if victims is None:
            # Only pinned models could make room, and Ollama itself would throw them out.
            text = f"{self.house.name(head.wants)} does not fit beside what is pinned; `innkeep unpin` makes room"
            head.passed.append(ev.Passed(head.wants, "never_fits", text))
            self._settle_wishes(now)
            return self._swap(now)
        if not all(self._gives_way(victim, head, now) for victim in victims):
            return set()
        if not self.house.is_changing() and not any(self.leases.count(victim.weights) for victim in victims):
            # All at once: were one unloaded before the others are idle, somebody else would take its room meanwhile.
            for victim in victims:
                self._unload(victim, "eviction", head.wants)
        return {victim.weights for victim in victims}

    def _gives_way(self, victim: Residency, head: Waiter, now: float) -> bool:
        if self.rules.order == "fifo":
            return True
        due = self._dues(now)[head.wants, head.ticket.priority]
        return yields(
            victim,
            self._waiting_for(victim),
            head,
            busy=self.leases.count(victim.weights) > 0,
            head_overdue=due <= now,
            now=now,
        )

    def _pressed_out(self) -> Iterable[Residency]:
        """At warning idle light models go, at critical idle heavy ones too."""
        if self.house.pressure == "normal":
            return []
        return [
            r
            for r in self.house.evictable()
            if (not r.heavy or self.house.pressure == "critical") and not self._waiting_for(r)
        ]

    def _idled_out(self, now: float) -> Iterable[Residency]:
        limit = self.rules.idle_unload
        if limit is None:
            return []
        return [r for r in self.house.evictable() if r.used + limit <= now and not self._waiting_for(r)]

    def _grant_free_slots(self, draining: set[str], now: float) -> None:
        """3. Free slots of residents that keep their place, in the one order."""
        for waiter in self._ordered(now):
            slots = self.house.specs[waiter.wants].parallel if waiter.wants in self.house.specs else 1
            free = self.leases.count(waiter.wants) < slots
            if free and self._has(waiter) and waiter.wants not in draining:
                self._grant(waiter, waiter.wants, now)
            elif self.rules.order == "fifo":
                return

    def _take_smaller(self, draining: set[str], now: float) -> None:
        """A waiter out of patience starts on a smaller model of its chain that is in memory and free."""
        for waiter in list(self.line):
            if not self._is_out_of_patience(waiter, now):
                continue
            for weights in waiter.ticket.chain:
                smaller = self.house.size(weights) < self.house.size(waiter.wants)
                free = self.leases.count(weights) < self.house.slots(weights)
                here = self.house.has(weights, waiter.ticket.need) and weights not in draining
                if smaller and free and here and all(p.weights != weights for p in waiter.passed):
                    text = f"patience of {waiter.ticket.patience:g} s would run out"
                    waiter.passed.append(ev.Passed(waiter.wants, "patience", text))
                    self._grant(waiter, weights, now)
                    break

    def _is_out_of_patience(self, waiter: Waiter, now: float) -> bool:
        patience = waiter.ticket.patience
        if patience is None or self.held_until is not None:
            return False
        expected = self.expected(waiter.ticket.id, now)
        return max(now - waiter.asked, now - waiter.asked + (expected or 0.0)) >= patience

    def _next_timer(self, now: float) -> float | None:
        """4. The earliest instant at which something may be decided otherwise without an event."""
        times = [at for at in self._timers(now) if at > now]
        return min(times, default=None)

    def _timers(self, now: float) -> Iterable[float]:
        if self.held_until is not None:
            yield self.held_until
            yield from (self._bears_until(waiter) for waiter in self.line)
        dues = self._dues(now)
        for waiter in self.line:
            if not self._has(waiter):
                yield dues[waiter.wants, waiter.ticket.priority]
            if waiter.ticket.patience is not None:
                yield waiter.asked + waiter.ticket.patience
        for resident in self.house.residents.values():
            yield resident.session_until
            if self.rules.idle_unload is not None and not self.leases.count(resident.weights):
                yield resident.used + self.rules.idle_unload

    # ---- acts ----

    def _load(self, weights: str, now: float) -> None:
        context = self._context_for(weights)
        spec = self.house.specs[weights]
        resident = Residency(weights, context=context, footprint=spec.bytes_at(context), heavy=spec.heavy)
        resident.op = self._next_op()
        resident.turn("load", now)
        self.house.residents[weights] = resident
        self._actions.append(ev.Load(resident.op, weights, context))

    def _unload_first_idle(self, residents: Iterable[Residency], reason: str) -> None:
        if self.house.is_changing():
            return
        for resident in residents:
            if resident.is_resident and not self.leases.count(resident.weights):
                self._unload(resident, reason)
                return

    def _unload(self, resident: Residency, reason: str, wanted_by: str | None = None) -> None:
        resident.op = self._next_op()
        resident.wanted_by = wanted_by
        resident.turn("unload", self._now)
        self._actions.append(ev.Unload(resident.op, resident.weights, reason, wanted_by))

    def _grant(self, waiter: Waiter, weights: str, now: float) -> None:
        self.line.leave(waiter.ticket.id)
        self.leases.grant(Lease(waiter.ticket, weights, now))
        resident = self.house.residents.get(weights)
        context = self.house.specs[weights].context if weights in self.house.specs else 0
        if resident is not None:
            resident.started += 1
            resident.used = now
            context = resident.context
        self._actions.append(ev.Grant(waiter.ticket.id, weights, context, tuple(waiter.passed)))

    def _refuse(self, waiter: Waiter, code: str, message: str) -> None:
        self.line.leave(waiter.ticket.id)
        self._actions.append(ev.Refuse(waiter.ticket.id, code, message, tuple(waiter.passed)))

    def _next_op(self) -> int:
        self._ops += 1
        return self._ops

    # ---- looks ----

    def _has(self, waiter: Waiter) -> bool:
        return self.house.has(waiter.wants, waiter.ticket.need)

    def _waiting_for(self, resident: Residency) -> list[Waiter]:
        """Who would be served by this resident as it stands."""
        return [w for w in self.line if w.wants == resident.weights and w.ticket.need <= resident.context]

    def _context_for(self, weights: str) -> int:
        """The context to load with: its own, or what the most demanding waiter needs."""
        needs = [w.ticket.need for w in self.line if w.wants == weights]
        return max([self.house.specs[weights].context, *needs])

    def _dues(self, now: float) -> dict[tuple[str, ev.Priority], float]:
        serving = {(lease.weights, lease.ticket.priority) for lease in self.leases.all()}
        return self.line.dues(now, lambda weights, priority: (weights, priority) in serving)

    def _ordered(self, now: float) -> list[Waiter]:
        if self.rules.order == "fifo":
            return list(self.line)
        return in_order(list(self.line), self._dues(now), now)

    def expected(self, ticket: str, now: float) -> float | None:
        """Seconds until this ticket is granted, as far as past loads and replies tell; None until they do."""
        return None
