"""Plays a scheduler in virtual time, for forecasts and for replays of traces: what it begins ends when it is due."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Generic, Protocol, TypeVar

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.state import SchedulerState

T = TypeVar("T")
"""What else than events may be due."""


class Steps(Protocol):
    """What a play needs of a scheduler, or of its twin."""

    state: SchedulerState

    def step(self, event: ev.Event, now: float) -> list[ev.Action]:
        """Take an event."""
        ...


class Player(Generic[T]):
    """The clock, what is due, and the scheduler's timer.

    ``load_s`` and ``unload_s`` give the seconds that a load or an unload of these weights takes; None: it never ends.
    """

    def __init__(
        self,
        scheduler: Steps,
        now: float,
        *,
        load_s: Callable[[str], float | None],
        unload_s: Callable[[str], float | None],
    ) -> None:
        self.now = now
        self.wake: float | None = None
        """When the scheduler wants to be woken."""
        self._scheduler = scheduler
        self._load_s = load_s
        self._unload_s = unload_s
        self._due: list[tuple[float, int, int, ev.Event | T]] = []
        self._pushed = 0

    def __repr__(self) -> str:
        return f"<Player at {self.now:g} s, {len(self._due)} to come>"

    def push(self, at: float | None, what: ev.Event | T, order: int = -1) -> None:
        """Have something happen at an instant; None: never. At one instant by ``order``, then first pushed first."""
        if at is not None:
            self._pushed += 1
            heappush(self._due, (at, order, self._pushed, what))

    def after(self, seconds: float | None, event: ev.Event) -> None:
        """Have something happen in so many seconds; None: never."""
        self.push(None if seconds is None else self.now + seconds, event)

    @property
    def next_at(self) -> float | None:
        """When the next thing is due; None where nothing is."""
        return self._due[0][0] if self._due else None

    def pop(self) -> ev.Event | T:
        """Take the next thing that is due."""
        return heappop(self._due)[3]

    def step(self, event: ev.Event) -> list[ev.Action]:
        """Have the scheduler take an event now; what it begins in memory will end in time. Returns all its actions."""
        self.wake = None
        actions = self._scheduler.step(event, self.now)
        for action in actions:
            match action:
                case ev.Load(op, weights):
                    self.after(self._load_s(weights), ev.LoadEnded(op))
                case ev.Unload(op, weights):
                    self.after(self._unload_s(weights), ev.UnloadEnded(op))
                case ev.Renew(op):
                    self.after(0.0, ev.RenewEnded(op))
                case ev.WakeAt(at):
                    self.wake = at
                case _:
                    pass
        return actions
