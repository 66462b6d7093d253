"""Hands events to watchers, and counts what happens."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel

from innkeep import wire
from innkeepd.supervision import described

Listener: TypeAlias = Callable[[str, str, dict[str, Any]], None]
"""Takes the kind of an event, what happened in words, and its data."""


AT_ONCE = 64
"""So many listeners hear of an event at once; the others from a task, as many in each turn of the event loop.

One more watcher costs 25 us an event: a thousand of them would hold the loop.
"""
BEHIND = 256
"""Events that the others may be behind; past that the next event is handed to everybody at once."""


class Announcer:
    """Hands events to ``listeners``, in order; whoever may announce something gets this object."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(wire.Counters.__struct_fields__, 0)
        """Since the start, under the names of ``wire.Counters``."""
        self.listeners: list[Listener] = []
        self._is_reporting = False
        self._backlog: deque[tuple[list[Listener], tuple[str, str, dict[str, Any]]]] = deque()
        self._has_backlog = anyio.Event()

    def __repr__(self) -> str:
        return f"<Announcer to {len(self.listeners)} listeners, {self.counts!r}>"

    def tell(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Hand an event to every listener; one that fails disturbs nobody else."""
        event = kind, what, data
        self._deliver(self.listeners[:AT_ONCE], event)
        if len(self.listeners) > AT_ONCE:
            self._backlog.append((self.listeners[AT_ONCE:], event))
            self._has_backlog.set()
            if len(self._backlog) > BEHIND:
                while self._backlog:
                    self._deliver_next(BEHIND)

    async def run(self) -> None:
        """Hand events to those who hear of them later, until cancelled."""
        while True:
            await self._has_backlog.wait()
            while self._backlog:
                self._deliver_next(AT_ONCE)
                await anyio.lowlevel.checkpoint()
            self._has_backlog = anyio.Event()

    def _deliver_next(self, most: int) -> None:
        """Hand the oldest event that some have not heard yet to ``most`` of them that still listen."""
        later, event = self._backlog[0]
        listening = set(self.listeners)
        self._deliver([listener for listener in later[:most] if listener in listening], event)
        del later[:most]
        if not later:
            self._backlog.popleft()

    def _deliver(self, listeners: Sequence[Listener], event: tuple[str, str, dict[str, Any]]) -> None:
        for listener in listeners:
            try:
                listener(*event)
            except Exception as error:  # noqa: BLE001
                if not self._is_reporting:  # or the report itself would be reported, for ever
                    self._is_reporting = True
                    self.report("a watcher", error)
                    self._is_reporting = False

    def report(self, where: str, error: Exception) -> None:
        """Report a fault that was stopped here, without its words: they may quote a prompt."""
        self.tell("log", "a fault of innkeepd itself", {"where": where, "error": described(error)})
