"""What ``innkeep top`` knows: the last snapshot, memory of the last minutes, past requests, the cursor."""

from collections import deque
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from innkeep import wire

KEPT_REQUESTS = 200
"""Past requests that can be scrolled to."""
KEPT_SAMPLES = 240
SAMPLE_EVERY = 5.0
"""Seconds between two columns of a sparkline."""

RowKind: TypeAlias = Literal["model", "change", "waiter", "request"]


class RowKey(NamedTuple):
    """What a row of the screen stands for: a model's name, or a request's id."""

    kind: RowKind
    name: str


class Sample(NamedTuple):
    """The machine's memory at one instant, bytes; None: not known."""

    used: int | None
    wired: int | None
    compressed: int | None
    pressure: wire.Pressure


class TopState:
    """Takes replies of a ``watch`` and gives what the view draws. Instants are seconds since 1970."""

    def __init__(self, *, read_only: bool = False) -> None:
        self.read_only = read_only
        self.status: wire.Status | None = None
        self.received = 0.0
        """When ``status`` came."""
        self.requests: deque[wire.DecisionRecord] = deque(maxlen=KEPT_REQUESTS)
        """Newest first."""
        self.samples: deque[Sample] = deque(maxlen=KEPT_SAMPLES)
        self.message = ""
        """What became of the last key, or why nothing new comes."""
        self.cursor: RowKey | None = None
        self._sampled = 0.0

    def take(self, reply: wire.Reply, now: float) -> None:
        """Take a reply of the watch."""
        if isinstance(reply, wire.Status):
            self.status, self.received = reply, now
            self.sample(now)
        elif isinstance(reply, wire.Event) and reply.kind == "request":
            self.add_record(_record(reply))

    def take_history(self, records: list[wire.DecisionRecord]) -> None:
        """Take past requests, newest first, as the beginning of the list."""
        self.requests.clear()
        self.requests.extend(records[:KEPT_REQUESTS])

    def add_record(self, record: wire.DecisionRecord) -> None:
        """Put a request that has just ended on top."""
        if record.id not in {one.id for one in self.requests}:
            self.requests.appendleft(record)

    def sample(self, now: float) -> None:
        """Keep a column of the sparklines, one in each ``SAMPLE_EVERY`` seconds; memory is as it was told last."""
        if self.status is None or now - self._sampled < SAMPLE_EVERY:
            return
        memory = self.status.memory
        self._sampled = now
        self.samples.append(Sample(memory.used, memory.wired, memory.compressed, memory.pressure))

    # ---- the cursor ----

    def rows(self) -> list[RowKey]:
        """Every row that the cursor may stand on, from top to bottom."""
        status = self.status
        if status is None:
            return [RowKey("request", one.id) for one in self.requests]
        return [
            *(RowKey("model", one.name) for one in status.resident),
            *(RowKey("change", one.model) for one in status.changing),
            *(RowKey("waiter", one.id) for one in self.waiting()),
            *(RowKey("request", one.id) for one in self.requests),
        ]

    def waiting(self) -> list[wire.Waiter]:
        """The queue in its order."""
        waiting = self.status.waiting if self.status else []
        return sorted(waiting, key=lambda one: one.position or len(waiting))

    def move(self, by: int) -> None:
        """Move the cursor by so many rows; from a row that is gone it goes to the first."""
        rows = self.rows()
        if not rows:
            self.cursor = None
            return
        at = rows.index(self.cursor) + by if self.cursor in rows else 0
        self.cursor = rows[max(0, min(at, len(rows) - 1))]

    def model(self) -> str | None:
        """The model in memory that a key is about: the one under the cursor, else the only one."""
        names = [one.name for one in self.status.resident] if self.status else []
        return self._chosen("model", names)

    def loading(self) -> str | None:
        """The load that a key is about: the one under the cursor, else the only one."""
        changing = self.status.changing if self.status else []
        return self._chosen("change", [one.model for one in changing if one.what == "loading"])

    def request(self) -> str | None:
        """The request that a key is about: the one under the cursor, else the newest."""
        if self.cursor is not None and self.cursor.kind in ("request", "waiter"):
            return self.cursor.name
        return self.requests[0].id if self.requests else None

    def _chosen(self, kind: RowKind, names: list[str]) -> str | None:
        if self.cursor is not None and self.cursor.kind == kind and self.cursor.name in names:
            return self.cursor.name
        return names[0] if len(names) == 1 else None


def _record(event: wire.Event) -> wire.DecisionRecord:
    """The decision record that a ``request`` event carries."""
    return msgspec.convert(event.data, wire.DecisionRecord)
