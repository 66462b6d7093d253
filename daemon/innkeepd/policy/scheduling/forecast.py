"""When those who wait will be served: a twin of the scheduler, played ahead in time with what was learned of each.

The twin decides exactly as the scheduler will, if nobody comes, leaves or fails meanwhile. A load, unload or answer
whose length is not learned yet never ends in the play, so whoever depends on it gets no expectation rather than a wrong
one. Past ``PLAYED`` waiters the play costs too much for one event, and a sum over those ahead stands in for it.
"""

from functools import partial

from msgspec import Struct, field

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.player import Player, Steps
from innkeepd.policy.scheduling.queue import Waiter
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


class Forecast(Struct, frozen=True):
    """When each ticket is granted, seconds on the scheduler's clock; tickets that cannot be foretold are missing."""

    grants: dict[str, float] = field(default_factory=dict)


def foresee(twin: Steps, now: float) -> Forecast:
    """Play the twin until everybody who waits is served, or nothing more is known."""
    if len(twin.state.queue) > PLAYED:
        return Forecast(_summed(twin.state, now))
    return Forecast(_Play(twin, now).run())


class _Play:
    """One play of a twin; ``grants`` gathers when each ticket is granted."""

    def __init__(self, twin: Steps, now: float) -> None:
        self._state = twin.state
        self._player: Player[ev.Event] = Player(
            twin, now, load_s=partial(_load_s, twin.state), unload_s=partial(_unload_s, twin.state)
        )
        self._grants: dict[str, float] = {}

    def run(self) -> dict[str, float]:
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
        return self._grants

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


def _summed(state: SchedulerState, now: float) -> dict[str, float]:
    """Model by model in the order of the line: what is under way, then a swap where one is needed, then the answers."""
    ends = [at for at, _ in _under_way(state, now)]
    known = [at for at in ends if at is not None]
    grants: dict[str, float] = {}
    if len(known) < len(ends):
        return grants
    at = max(known, default=now)
    unload: float | None = 0.0
    queues: dict[str, list[Waiter]] = {}
    for waiter in state.ordered(now):
        queues.setdefault(waiter.wants, []).append(waiter)
    for weights, waiters in queues.items():
        if not all(state.has(waiter) or state.ledger.is_coming(weights, waiter.ticket.need) for waiter in waiters):
            load = _load_s(state, weights)
            if load is None or unload is None:
                break
            at += unload + load
        for waiter in waiters:
            grants[waiter.ticket.id] = at
            service = _service_s(state, weights)
            if service is None:
                return grants
            at += service / state.ledger.slots(weights)
        unload = _unload_s(state, weights)
    return grants


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
