"""Which model holds the memory, and who is served next: one decision tree for all triggers.

``step(event, now) -> [action]``. What must always stay true, whatever comes in whatever order (random runs in
``tests/daemon/policy/scheduling/test_scheduler.py`` try it): at most ``heavy_limit`` heavy models are resident, loading
or still unloading by our doing; planned bytes never exceed the budget; a model with a lease is never unloaded; each
ticket ends exactly once; whoever waits has something under way or a timer; unknown or old ids change nothing; the same
events give the same actions.

The modules around it: ``state`` holds the facts, ``transitions`` takes events into them, ``candidates`` tells what each
waiter can have, ``memory.admission`` what fits, ``turns`` who gives way, ``eviction`` who must leave anyway,
``forecast`` plays a twin ahead in time. After every event ``_advance`` goes through the same numbered steps:
candidates, one change of memory at most, grants, the next timer.
"""

from heapq import heapify, heappop, heappush

from innkeepd.policy.memory.admission import fits, pinned_in_the_way, victims_for
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling import eviction
from innkeepd.policy.scheduling.candidates import choose_candidate, refused, smaller_for
from innkeepd.policy.scheduling.errands import may_load, may_start
from innkeepd.policy.scheduling.forecast import Forecast, forecast
from innkeepd.policy.scheduling.group import Waiter, arrival
from innkeepd.policy.scheduling.lease import Lease, Leases
from innkeepd.policy.scheduling.ledger import MemoryLedger
from innkeepd.policy.scheduling.progress import Outlook, look_out
from innkeepd.policy.scheduling.queue import Queue, heads
from innkeepd.policy.scheduling.residency import Cooling, Residency
from innkeepd.policy.scheduling.settings import SchedulerSettings
from innkeepd.policy.scheduling.state import SchedulerState
from innkeepd.policy.scheduling.timers import next_timer
from innkeepd.policy.scheduling.transitions import apply
from innkeepd.policy.scheduling.turns import yields

__all__ = ["Scheduler", "SchedulerSettings"]


class Scheduler:
    """The owner of every fact. Change them through ``step`` only; readers copy what they see."""

    def __init__(self, rules: SchedulerSettings | None = None) -> None:
        self.state = SchedulerState(rules or SchedulerSettings())
        self._ops = 0
        self._actions: list[ev.Action] = []
        self._forecast: Forecast | None = None
        self._is_twin = False
        self._making_room: set[str] = set()
        """Residents that start nothing new for the sake of the head of the queue."""

    def __repr__(self) -> str:
        rooms = ", ".join(f"{r.weights} {r.state}" for r in self.ledger.residents.values())
        return f"Scheduler([{rooms}], {len(self.queue)} waiting, {self.leases!r})"

    # ---- for readers ----

    @property
    def rules(self) -> SchedulerSettings:
        """The knobs; new ones hold from the next event on."""
        return self.state.rules

    @rules.setter
    def rules(self, rules: SchedulerSettings) -> None:
        self.state.configure(rules)

    @property
    def ledger(self) -> MemoryLedger:
        """What is in memory, and the bytes there are."""
        return self.state.ledger

    @property
    def queue(self) -> Queue:
        """Who waits."""
        return self.state.queue

    @property
    def leases(self) -> Leases:
        """Who uses what."""
        return self.state.leases

    @property
    def cooling(self) -> dict[str, Cooling]:
        """Models that failed to load and are left alone for a while."""
        return self.state.cooling

    @property
    def held_until(self) -> float | None:
        """The end of the user's hold, if one is on."""
        return self.state.held_until

    def expected(self, ticket: str, now: float) -> float | None:
        """Seconds until this ticket is granted, as far as past loads and replies tell; None until they do."""
        if self._forecast is None:
            self._forecast = forecast(self.state, self._twin, now)
        at = self._forecast.at(ticket)
        return None if at is None else max(0.0, at - now)

    def outlook(self, ticket: str, now: float) -> Outlook:
        """What to report to somebody who waits. Raises ``LookupError`` for a ticket that does not."""
        return look_out(self.state, ticket, self.expected, now)

    def positions(self, now: float) -> dict[str, int]:
        """The position of every ticket that waits, from 1, in the one order."""
        return {waiter.ticket.id: position for position, waiter in enumerate(self.state.ordered(now), 1)}

    # ---- the one way in ----

    def step(self, event: ev.Event, now: float) -> list[ev.Action]:
        """Take one event at ``now`` (seconds, never falling) and say what is to be done, in order."""
        self._actions = []
        self._forecast = None
        apply(self.state, event, now)
        if isinstance(event, ev.Asked) and len(self.queue) > self.rules.queue_limit:
            limit = self.rules.queue_limit
            text = f"{limit} requests wait already; try again later, or raise schedule.queue_limit"
            self._refuse(event.ticket.id, ev.Passed("", "queue_full", text))
        self._advance(now)
        self._forecast = None
        return self._actions

    # ---- the one decision tree ----

    def _advance(self, now: float) -> None:
        if self.state.held_until is not None and self.state.held_until <= now:
            self.state.held_until = None
        self._choose_candidates(now)
        draining = self._change_memory(now)
        self._grant_free_slots(draining, now)
        self._take_smaller(draining, now)
        self._forget_swaps()
        self._set_timer(now)

    def _choose_candidates(self, now: float) -> None:
        """1. Each waiter wants the best of its chain that can be had; one that can have nothing is refused."""
        ended: dict[str, tuple[Waiter, ev.Passed]] = {}
        for group in self.queue.groups():
            here = group
            if not self.state.is_closing:
                choice = choose_candidate(self.state, group, now)
                here = self.queue.pass_over(group, choice.passed)
                here.want(choice.wants)
            ended |= {waiter.ticket.id: (waiter, why) for waiter, why in refused(self.state, here, now)}
        for waiter, why in sorted(ended.values(), key=lambda entry: entry[0].order):
            self._refuse(waiter.ticket.id, why)

    def _change_memory(self, now: float) -> set[str]:
        """2. At most one change. Returns the residents that start nothing new, because they make room."""
        self._making_room = set()
        if self.state.is_closing:
            return set()  # what stands in memory stays for the next daemon
        if self.state.limits.frozen:
            return set(self.ledger.residents)
        if self.state.is_on_hold:
            self._unload_idle(eviction.held_out(self.state, now), "hold", now)
            self._unload_idle(eviction.asked_out(self.state), "asked", now)  # other tools' models too
            return set(self.ledger.residents)
        leaving = eviction.asked_out(self.state)
        self._unload_idle(leaving, "asked", now)
        draining = {resident.weights for resident in leaving}
        if (extra := eviction.out_of_order(self.state, now)) is not None:
            self._unload_idle([extra], "order", now)
            draining.add(extra.weights)
        forbidden = eviction.limited_out(self.state, now)
        self._unload_idle(forbidden, "rule", now)
        draining |= {resident.weights for resident in forbidden}
        draining |= self._trim(now)
        if self.ledger.is_changing():
            self._choose_candidates(now)  # whoever counted on what is leaving may want something else
        self._making_room = self._swap(now) - draining
        draining |= self._making_room
        self._bring_back(now)
        self._unload_idle(eviction.pressed_out(self.state, now), "pressure", now)
        self._unload_idle(eviction.idled_out(self.state, now), "idle", now)
        self._renew(draining, now)
        return draining

    def _renew(self, draining: set[str], now: float) -> None:
        """Ollama would unload by itself what is to stay: tell it anew while nobody uses it."""
        for resident in self.ledger.residents.values():
            due = self.state.renew_at(resident)
            if due is None or due > now or not resident.is_resident or resident.weights in draining:
                continue
            if not self.state.is_busy(resident.weights):
                resident.renewing, resident.renewed = self._next_op(), now
                self._actions.append(ev.Renew(resident.renewing, resident.weights, resident.context))

    def _trim(self, now: float) -> set[str]:
        """Growth over the budget: recycle what has grown at a quiet moment. Returns who starts nothing new for it."""
        grown = eviction.overgrown(self.state, now)
        if not grown:
            self.state.over_since = None
            return set()
        since = self.state.over_since = now if self.state.over_since is None else self.state.over_since
        is_overdue = since + eviction.DRAIN_AFTER <= now
        quiet = [r for r in grown if is_overdue or not self.state.waiting_for(r)]
        again = [r for r in quiet if eviction.may_recycle(self.state, r, now)]
        self._unload_idle(again, "recycle", now)
        others = {id(r): r for each in quiet if each not in again and (r := eviction.instead_of(self.state, each))}
        self._unload_idle(list(others.values()), "growth", now)
        return {r.weights for r in quiet} if is_overdue else set()

    def _bring_back(self, now: float) -> None:
        """Load what was recycled, unless somebody else's load comes first or took the room."""
        for weights, had in list(self.state.coming_back.items()):
            if self.ledger.is_changing():
                return
            del self.state.coming_back[weights]
            if weights in self.ledger.specs:
                context = max(had, self.state.context_for(weights))
                if fits(self.ledger, weights, context):
                    self._load(weights, now, context)

    def _swap(self, now: float) -> set[str]:
        """2a, 2b, 2c: bring in what fits, else make room for the head of the queue."""
        while absent := self._absent(now):
            if not self.ledger.is_changing() and (waiter := self._first_that_fits(absent)) is not None:
                self._load(waiter.wants, now)
                return set()
            mains = [waiter for waiter in absent if not waiter.ticket.errand]
            if self.ledger.is_loading() or not mains:
                return set()
            head = mains[0]
            context = self.state.context_for(head.wants)
            victims = victims_for(self.ledger, head.wants, context, lambda r: (self.state.is_busy(r.weights), r.used))
            if victims is not None:
                return self._make_room(victims, head, now)
            self._pass_over(head.wants, context, now)
        return set()

    def _absent(self, now: float) -> list[Waiter]:
        """The first waiter of each group whose model is not in memory and may be loaded, in the one order."""
        groups = [group for _, group in heads(self.state.ranked(now))]
        ordered = groups[:1] if self.rules.order == "fifo" else groups
        absent = [g for g in ordered if not self.state.has(g) and not self.state.is_group_barred(g)]
        return [g.first for g in absent if not g.key.errand or may_load(self.state, g, now)]

    def _first_that_fits(self, absent: list[Waiter]) -> Waiter | None:
        asked: set[str] = set()
        for waiter in absent:
            if waiter.wants not in asked and fits(self.ledger, waiter.wants, self.state.context_for(waiter.wants)):
                return waiter
            asked.add(waiter.wants)
        return None

    def _make_room(self, victims: list[Residency], head: Waiter, now: float) -> set[str]:
        """All of them go, or none: were one unloaded before the others are idle, somebody else would take its room."""
        due = self.state.dues(now)[head.wants, head.ticket.priority]
        if not all(self._gives_way(victim, head, due, now) for victim in victims):
            return set()
        if not self.ledger.is_changing() and not any(self.state.is_busy(victim.weights) for victim in victims):
            for victim in victims:
                self._unload(victim, "eviction", now, head.wants)
        return {victim.weights for victim in victims}

    def _gives_way(self, victim: Residency, head: Waiter, due: float, now: float) -> bool:
        if self.rules.order == "fifo":
            return True
        waiting, busy = self.state.contenders(victim), self.state.is_busy(victim.weights)
        if victim.weights == head.wants and not waiting:
            return True  # it comes back with a larger context: nobody loses it
        return yields(victim, waiting, head, busy=busy, head_overdue=due <= now, now=now)

    def _pass_over(self, weights: str, context: int, now: float) -> None:
        """Only pinned models could make room, and Ollama would throw them out: the most demanding look elsewhere."""
        for group in self.queue.groups():
            if group.wants == weights and self.ledger.context_for(weights, group.key.need) == context:
                self.queue.pass_over(group, [pinned_in_the_way(self.ledger, weights)])
        self._choose_candidates(now)

    def _grant_free_slots(self, draining: set[str], now: float) -> None:
        """3. Free slots of residents that keep their place, in the one order."""
        ahead = [(rank, group.first.order, group) for rank, group in self.state.ranked(now)]
        heapify(ahead)
        while ahead:
            rank, _, group = heappop(ahead)
            is_free = group.wants not in draining and self.state.has_slot(group.wants) and self.state.has(group)
            is_free = is_free and (not group.key.errand or may_start(self.state, group, group.wants, now))
            if is_free and not self.state.is_group_barred(group):
                self._grant(group.first, group.wants, now)
                if group.waiters:
                    heappush(ahead, (rank, group.first.order, group))
            elif self.rules.order == "fifo":
                return

    def _take_smaller(self, draining: set[str], now: float) -> None:
        """A waiter out of patience starts on a smaller model of its chain that is in memory and free."""
        if self._is_twin or self.state.is_on_hold or self.rules.order == "fifo":
            return  # a twin foretells the wait for the better model
        patient = [group for group in self.queue.groups() if group.key.patience is not None and not group.key.errand]
        if not any(self._smaller_for(group.first, draining, now) for group in patient):
            return
        for waiter in sorted((waiter for group in patient for waiter in group.waiters), key=arrival):
            smaller = self._smaller_for(waiter, draining, now)
            if smaller is not None and self._is_out_of_patience(waiter.ticket, waiter.asked, now):
                text = f"patience of {waiter.ticket.patience:g} s would run out"
                waiter.passed.append(ev.Passed(waiter.wants, "patience", text))
                self._grant(waiter, smaller, now)

    def _smaller_for(self, waiter: Waiter, draining: set[str], now: float) -> str | None:
        """A smaller model for it. Where nobody else wants what the room is made for, the room is of no use to it."""
        wanting = sum(len(group.waiters) for group in self.queue.groups() if group.wants == waiter.wants)
        return smaller_for(self.state, waiter, draining - self._making_room if wanting == 1 else draining, now)

    def _is_out_of_patience(self, ticket: ev.Ticket, asked: float, now: float) -> bool:
        ahead = self.expected(ticket.id, now)
        return ticket.patience is not None and now - asked + (ahead or 0.0) >= ticket.patience

    def _set_timer(self, now: float) -> None:
        """4. The earliest instant at which something may be decided otherwise without an event."""
        if (at := next_timer(self.state, now)) is not None:
            self._actions.append(ev.WakeAt(at))

    def _forget_swaps(self) -> None:
        """Whoever wanted the room may have left, so that no load follows: the next swap counts from its own start."""
        if self.state.swaps:
            changing = [r for r in self.ledger.residents.values() if not r.is_resident]
            under_way = {r.wanted_by or r.weights for r in changing}
            self.state.swaps = {weights: at for weights, at in self.state.swaps.items() if weights in under_way}

    # ---- acts ----

    def _load(self, weights: str, now: float, context: int | None = None) -> None:
        context = self.state.context_for(weights) if context is None else context
        heavy, size = self.ledger.specs[weights].heavy, self.ledger.bytes_for(weights, context)
        resident = Residency(weights, context=context, footprint=size, heavy=heavy, op=self._next_op())
        resident.turn("load", now)
        self.ledger.residents[weights] = resident
        self.state.swaps.setdefault(weights, now)
        self._actions.append(ev.Load(resident.op, weights, context))

    def _unload_idle(self, residents: list[Residency], reason: str, now: float) -> None:
        """Take out those that are idle, all at once, unless something is under way."""
        if not self.ledger.is_changing():
            for resident in residents:
                if not self.state.is_busy(resident.weights):
                    self._unload(resident, reason, now)

    def _unload(self, resident: Residency, reason: str, now: float, wanted_by: str | None = None) -> None:
        resident.op, resident.wanted_by = self._next_op(), wanted_by
        if wanted_by is not None:
            self.state.swaps.setdefault(wanted_by, now)
        if reason == "recycle":
            self.state.recycled[resident.weights] = now
            self.state.coming_back[resident.weights] = resident.context
        resident.turn("unload", now)
        self._actions.append(ev.Unload(resident.op, resident.weights, reason, wanted_by))

    def _grant(self, waiter: Waiter, weights: str, now: float) -> None:
        self.queue.leave(waiter.ticket.id)
        self.leases.grant(Lease(waiter.ticket, weights, now))
        resident = self.ledger.residents.get(weights)
        context = self.ledger.specs[weights].context if weights in self.ledger.specs else 0
        if resident is not None:
            resident.started += 1
            resident.used = now
            context = resident.context
        self._actions.append(ev.Grant(waiter.ticket.id, weights, context, tuple(waiter.passed)))

    def _refuse(self, ticket: str, why: ev.Passed) -> None:
        waiter = self.queue.leave(ticket)
        passed = tuple(waiter.passed) if waiter is not None else ()
        self._actions.append(ev.Refuse(ticket, why.code, why.message, passed))

    def _next_op(self) -> int:
        self._ops += 1
        return self._ops

    def _twin(self) -> "Scheduler":
        """A copy that may be stepped without anything happening."""
        twin = Scheduler(self.rules)
        twin.state, twin._ops, twin._is_twin = self.state.twin(), self._ops, True
        return twin
