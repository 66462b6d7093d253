"""Which model was in memory when: loads, unloads, holds and pressure of the last days, for the dashboard.

Entries are kept as facts, one an hour of the clock, so that each event rewrites little and a restart loses nothing.
"""

from collections.abc import Callable
from typing import Any

from innkeepd.store.records import Records

DAYS = 7
"""Days that are kept."""
HOUR = 3600
MOST = 600
"""Entries of one hour: a swap every 12 s; what comes on top is not kept."""
INDEX = "timeline"
_KINDS = frozenset({"residency", "memory"})


class Timeline:
    """Hears events and keeps a row of each; ``wall`` gives seconds since 1970.

    A row is ``[instant, what, model, seconds it took, reason, bytes it takes]``; rows of older versions end earlier.
    """

    def __init__(self, records: Records, wall: Callable[[], float]) -> None:
        self._records = records
        self._wall = wall

    def hear(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Keep one event, where it is about memory."""
        if kind in _KINDS:
            self.add(entry(self._wall(), what, data))

    def add(self, row: list[Any]) -> None:
        """Keep one entry."""
        hour = int(row[0] // HOUR)
        rows = self._rows(_key(hour))
        if len(rows) >= MOST:
            return
        self._records.put(_key(hour), [*rows, row])
        hours = self._rows(INDEX)
        if hour not in hours:
            self._prune([*hours, hour], hour)

    def _prune(self, hours: list[int], now: int) -> None:
        for hour in hours:
            if hour <= now - DAYS * 24:
                self._records.put(_key(hour), None)
        self._records.put(INDEX, [hour for hour in hours if hour > now - DAYS * 24])

    def since(self, at: float) -> list[list[Any]]:
        """Entries from an instant on (seconds since 1970), oldest first."""
        hours = sorted(hour for hour in self._rows(INDEX) if hour >= at // HOUR)
        return [row for hour in hours for row in self._rows(_key(hour)) if row[0] >= at]

    def _rows(self, key: str) -> list[Any]:
        """A kept list; a file that was damaged may hold anything else."""
        found = self._records.get(key)
        return list(found) if isinstance(found, list) else []


def entry(at: float, what: str, data: dict[str, Any]) -> list[Any]:
    """One event as a row."""
    reason = data.get("reason") or data.get("code")
    row = [round(at, 3), what, data.get("model"), data.get("took"), reason]
    return [*row, data["footprint"]] if data.get("footprint") else row


def _key(hour: int) -> str:
    return f"{INDEX}:{hour}"
