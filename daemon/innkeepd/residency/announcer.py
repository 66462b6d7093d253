"""Tells watchers what happens, and counts it."""

from collections.abc import Callable
from typing import Any, TypeAlias

from innkeep import wire
from innkeepd.supervision import described

Listener: TypeAlias = Callable[[str, str, dict[str, Any]], None]
"""Takes the kind of an event, what happened in words, and its data."""


class Announcer:
    """Hands events to ``listeners``; whoever may announce something gets this object."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(wire.Counters.__struct_fields__, 0)
        """Since the start, under the names of ``wire.Counters``."""
        self.listeners: list[Listener] = []
        self._is_reporting = False

    def __repr__(self) -> str:
        return f"<Announcer to {len(self.listeners)} listeners, {self.counts!r}>"

    def tell(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Let listeners know; one that fails disturbs nobody else."""
        for listener in list(self.listeners):
            try:
                listener(kind, what, data)
            except Exception as error:  # noqa: BLE001
                if not self._is_reporting:  # or the report itself would be reported, for ever
                    self._is_reporting = True
                    self.report("a watcher", error)
                    self._is_reporting = False

    def report(self, where: str, error: Exception) -> None:
        """Tell of a fault that was stopped here; its words are not told, they may quote a prompt."""
        self.tell("log", "a fault of innkeepd itself", {"where": where, "error": described(error)})
