"""When those who wait will be served, from what was learned of each model.

A few waiters: a twin of the scheduler is played ahead in time; it decides exactly as the scheduler will, if nobody
comes, leaves or fails meanwhile. Where all wait for one model that answers one request at a time, or past ``PLAYED``
waiters, where a play costs too much, a sum over those ahead stands in for it. A load, unload or answer whose length is
not learned yet never ends, so whoever depends on it gets no expectation rather than a wrong one.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.group import Group
from innkeepd.policy.scheduling.player import Player, Steps
from innkeepd.policy.scheduling.queue import Rank, heads
from innkeepd.policy.scheduling.residency import LOADING, UNLOADING
from innkeepd.policy.scheduling.state import SchedulerState

PLAYED = 32
"""Waiters that a play can hold: it takes 5 ms on a slow core then, once an event at most, and only if somebody asks."""
STEPS = 400
"""Events of one play at most."""
SILENT = 8
"""Timers in a row after which nothing more is expected to happen."""
OVERTIME = 0.25
"""What already took longer than usual is given this part of the usual time more."""


class Forecast(Protocol):
    """When each ticket is granted."""

    def at(self, ticket: str) -> float | None:
        """The instant on the scheduler's clock, seconds; None where it cannot be foretold."""
        ...


def forecast(state: SchedulerState, twin: Callable[[], Steps], now: float) -> Forecast:
    """Foretell the grants of everybody who waits; ``twin`` makes a scheduler that may be stepped in play."""
    if len(state.queue) > PLAYED or _is_one_after_the_other(state):
        return Sum(state, now)
    return Play(twin(), now)


def _is_one_after_the_other(state: SchedulerState) -> bool:
    """Whether all wait for one model that stays in memory and answers one request at a time: a sum is exact then."""
    wanted = {group.wants for group in state.queue.groups()}
    is_calm = state.held_until is None and state.over_since is None and not state.ledger.is_changing()
    if len(wanted) != 1 or not is_calm:
        return False
    resident = state.ledger.residents.get(wanted.pop())
    return (
        resident is not None
        and not resident.leaving
        and state.ledger.slots(resident.weights) == 1
        and all(state.has(group) for group in state.queue.groups())
    )


class Sum:
    """Model by model in the order of the queue: what is under way, then a swap where one is needed, then the answers.

    It costs as much as there are groups, not waiters. It holds until the next step of the scheduler.
    """

    def __init__(self, state: SchedulerState, now: float) -> None:
        self._queue = state.queue
        self._ranks: dict[int, Rank] = {}
        self._models: dict[str, tuple[float, float | None, list[Group]]] = {}
        """By weights: when its first waiter is granted, the seconds from each grant to the next, its groups."""
        ends = [at for at, _ in _under_way(state, now)]
        known = [at for at in ends if at is not None]
        if len(known) == len(ends):
            self._add_up(state, max(known, default=now), now)

    def _add_up(self, state: SchedulerState, at: float, now: float) -> None:
        unload: float | None = 0.0
        queues: dict[str, list[Group]] = {}
        for rank, group in heads(state.ranked(now)):
            self._ranks[id(group)] = rank
            queues.setdefault(group.wants, []).append(group)
        for weights, groups in queues.items():
            if not all(state.has(group) or state.ledger.is_coming(weights, group.key.need) for group in groups):
                load = _load_s(state, weights)
                if load is None or unload is None:
                    return
                at += unload + load
            service = _service_s(state, weights)
            each = None if service is None else service / state.ledger.slots(weights)
            self._models[weights] = at, each, groups
            if each is None:
                return
            at += each * sum(len(group.waiters) for group in groups)
            unload = _unload_s(state, weights)

    def at(self, ticket: str) -> float | None:
        """The instant at which this ticket is granted; None where it cannot be foretold, or does not wait."""
        waiter = self._queue.get(ticket)
        if waiter is None or waiter.wants not in self._models:
            return None
        at, each, groups = self._models[waiter.wants]
        own = self._ranks[id(self._queue.group_of(ticket))]
        ahead = sum(ahead_of(own, waiter.order, self._ranks[id(group)], group) for group in groups)
        return at + each * ahead if each is not None else (None if ahead else at)


def ahead_of(own: Rank, order: int, rank: Rank, group: Group) -> int:
    """How many of a group with that rank come before a waiter whose rank is ``own`` and whose arrival is ``order``."""
    if rank == own:
        return group.before(order)
    return len(group.waiters) if rank < own else 0


class Play:
    """A play of a twin until everybody who waits is served, or nothing more is known."""

    def __init__(self, twin: Steps, now: float) -> None:
        self._state = twin.state
        self._player: Player[ev.Event] = Player(
            twin, now, load_s=partial(_load_s, twin.state), unload_s=partial(_unload_s, twin.state)
        )
        self._grants: dict[str, float] = {}
        self._run()

    def at(self, ticket: str) -> float | None:
        """The instant at which this ticket is granted; None where it cannot be foretold."""
        return self._grants.get(ticket)

    def _run(self) -> None:
        player = self._player
        for at, event in _under_way(self._state, player.now):
            player.push(at, event)
        self._step(ev.Woke())
        steps = silent = 0
        while len(self._state.queue) and steps < STEPS and silent <= SILENT:
            steps += 1
            due = player.next_at
            if due is not None and (player.wake is None or due <= player.wake):
                player.now, silent = due, 0
                self._step(player.pop())
            elif player.wake is not None:
                player.now, silent = player.wake, silent + 1
                self._step(ev.Woke())
            else:
                break

    def _step(self, event: ev.Event) -> None:
        for action in self._player.step(event):
            if isinstance(action, ev.Grant):
                self._grants[action.ticket] = self._player.now
                self._player.after(_service_s(self._state, action.weights), ev.Released(action.ticket))


def _under_way(state: SchedulerState, now: float) -> list[tuple[float | None, ev.Event]]:
    """The ends of what has begun already; None for one whose usual time is unknown."""
    ends: list[tuple[float | None, ev.Event]] = []
    for resident in state.ledger.residents.values():
        if resident.state == LOADING:
            ends.append((_rest(resident.since, _load_s(state, resident.weights), now), ev.LoadEnded(resident.op)))
        elif resident.state == UNLOADING:
            ends.append((_rest(resident.since, _unload_s(state, resident.weights), now), ev.UnloadEnded(resident.op)))
        elif resident.renewing:
            ends.append((now, ev.RenewEnded(resident.renewing)))
    answers = ((lease, _rest(lease.granted, _service_s(state, lease.weights), now)) for lease in state.leases.all())
    return ends + [(at, ev.Released(lease.ticket.id)) for lease, at in answers]


def _rest(since: float, usual: float | None, now: float) -> float | None:
    return None if usual is None else max(since + usual, now + usual * OVERTIME)


def _load_s(state: SchedulerState, weights: str) -> float | None:
    spec = state.ledger.specs.get(weights)
    return spec.load_s if spec else None


def _unload_s(state: SchedulerState, weights: str) -> float | None:
    spec = state.ledger.specs.get(weights)
    return spec.unload_s if spec else None


def _service_s(state: SchedulerState, weights: str) -> float | None:
    spec = state.ledger.specs.get(weights)
    return spec.service_s if spec else None
