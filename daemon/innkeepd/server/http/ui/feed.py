"""What happened, for all open pages at once: each event becomes a row once, each message is encoded once."""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from innkeep import wire
from innkeepd.store.timeline import entry

MOST_UNSENT = 500
"""Events that wait for a slow page; the oldest go first."""

_ENCODE = msgspec.json.Encoder().encode


class Feed:
    """Keeps the newest events, numbered. ``wall`` gives seconds since 1970."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._rows: deque[tuple[int, str, list[Any]]] = deque(maxlen=MOST_UNSENT)
        self._encoded: tuple[int, int, bytes] = (0, 0, b"")
        self.number = 0
        """Of the newest event; a page that opens has seen everything up to it."""

    def hear(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Take one event, where it is for the page."""
        if kind == "request":
            self._add("requests", request_row(msgspec.convert(data, wire.DecisionRecord)))
        elif kind in {"residency", "memory"}:
            self._add("timeline", entry(self._wall(), what, data))

    def _add(self, kind: str, row: list[Any]) -> None:
        self.number += 1
        self._rows.append((self.number, kind, row))

    def since(self, number: int) -> bytes:
        """The events after ``number`` as JSON, ``{"requests": [...], "timeline": [...]}``; empty where there is none.

        Pages are mostly equally far, so the last answer is kept.
        """
        begin, end, data = self._encoded
        if (begin, end) != (number, self.number):
            happened: dict[str, list[Any]] = {"requests": [], "timeline": []}
            for each, kind, row in self._rows:
                if each > number:
                    happened[kind].append(row)
            data = _ENCODE(happened) if any(happened.values()) else b""
            self._encoded = number, self.number, data
        return data


def request_row(record: wire.DecisionRecord) -> list[Any]:
    """A record as the page draws it; the rest comes with ``/ui/request``."""
    times = record.timings
    return [
        record.id,
        round(record.asked_at, 3),
        record.kind,
        record.priority,
        record.role,
        record.model,
        record.code or record.outcome,
        round(times.queued, 3),
        round(times.swap, 3),
        times.first_token,
        round(times.total, 3),
        times.tokens_per_second,
        record.completion_tokens,
        len({attempt.model for attempt in record.attempts}),
    ]
