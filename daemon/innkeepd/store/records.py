"""What was decided, and the few facts that survive a restart: selections, pins, learned estimates, feedback.

    record, put -> memory at once -> a bounded queue -> one writer thread -> SQLite

``record`` and ``put`` only append to the queue and never wait. Whoever acknowledges something to a client first awaits
``written`` or ``recorded``: the writer then commits at once, and what gathers during one commit goes into the next one
(group commit). A commit is in the write-ahead log, which survives the process; no ``fsync`` is awaited. A disk that
fails or hangs degrades the history to memory until it can be written again, is reported once, and blocks nothing: the
client is told that the fact would not survive a restart.
"""

import math
import queue
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import anyio.to_thread
import msgspec

from innkeep.wire import DecisionRecord
from innkeepd.machine.event_loop import asyncio_loop
from innkeepd.store import sqlite as history_file
from innkeepd.store.filters import RecordFilter

__all__ = ["History", "MemoryHistory", "Records"]

GATHER = 0.2
"""Seconds in which writes that nobody awaits gather to one transaction."""
FACT_WITHIN = 2.0
"""Seconds that the disk has for a fact before its client is told that it would not survive a restart."""
RECORD_WITHIN = 0.5
"""Seconds that the disk has for a decision record before ``done`` is sent without it: the answer itself is complete."""
WAITING = 2000
"""Writes that may wait for the disk; what comes on top is dropped, told once."""

IN_MEMORY = 500
"""Records that are kept for the case that the disk fails."""

MOST_ROWS = 2**31
"""More than any history keeps, and what SQLite takes as a number."""

DAY = 86400.0

PRUNE_EVERY = 200
"""Records written between two looks for old ones."""

_FOUND = 20


class _Barrier:
    """A caller that waits until all that was queued before it is committed; ``wake`` runs in the writer's thread."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self.kept: bool | None = None
        """Whether those writes survive a kill; None until the writer has got there."""
        self._wake = wake

    def release(self, *, kept: bool) -> None:
        """Tell the caller; one whose event loop is gone has no need of it."""
        self.kept = kept
        with suppress(RuntimeError):
            self._wake()


_Write: TypeAlias = tuple[str, float, str] | tuple[str, str | None] | _Barrier | None
"""A record, a fact, a caller that waits until everything before it is committed, or the end."""


class Records(Protocol):
    """A history, on disk or in memory."""

    @property
    def degraded(self) -> str | None:
        """Why nothing more is kept on disk; None while all is well."""
        ...

    def record(self, record: DecisionRecord) -> None:
        """Keep a decision record; one with the same id replaces it. Never waits, never raises."""
        ...

    async def recent(self, limit: int) -> list[DecisionRecord]:
        """The newest records, newest first."""
        ...

    async def select(self, wanted: RecordFilter, limit: int) -> list[DecisionRecord]:
        """The newest records that pass a filter, newest first."""
        ...

    async def find(self, prefix: str) -> list[DecisionRecord]:
        """The records whose id begins with ``prefix``, newest first."""
        ...

    def put(self, key: str, value: Any) -> None:
        """Keep a fact, anything that JSON can hold; None forgets it. Never waits, never raises."""
        ...

    def get(self, key: str, default: Any = None) -> Any:
        """A fact as it was put, after a restart too."""
        ...

    async def written(self) -> bool:
        """Wait for the commit; whether what was put survives a kill. At most ``FACT_WITHIN`` seconds. Never raises."""
        ...

    async def recorded(self) -> bool:
        """Wait for the commit; whether the records so far survive a kill, or none are kept by configuration.

        At most ``RECORD_WITHIN`` seconds, also where the caller is cancelled meanwhile. Never raises.
        """
        ...

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, for at most so long."""
        ...


class MemoryHistory:
    """A history without a disk: for tests, and what is left when the disk fails."""

    degraded: str | None = None

    def __init__(self, limit: int = IN_MEMORY) -> None:
        self._limit = limit
        self._records: OrderedDict[str, DecisionRecord] = OrderedDict()
        self._facts: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._records)} records, {len(self._facts)} facts)"

    def record(self, record: DecisionRecord) -> None:
        """As ``Records.record``."""
        self._records[record.id] = record
        while len(self._records) > self._limit:
            self._records.popitem(last=False)

    async def recent(self, limit: int) -> list[DecisionRecord]:
        """As ``Records.recent``."""
        return list(reversed(self._records.values()))[: max(0, limit)]

    async def select(self, wanted: RecordFilter, limit: int) -> list[DecisionRecord]:
        """As ``Records.select``."""
        return [record for record in reversed(self._records.values()) if wanted.takes(record)][: max(0, limit)]

    async def find(self, prefix: str) -> list[DecisionRecord]:
        """As ``Records.find``."""
        return [record for id_, record in reversed(self._records.items()) if id_.startswith(prefix)][:_FOUND]

    def put(self, key: str, value: Any) -> None:
        """As ``Records.put``."""
        if value is None:
            self._facts.pop(key, None)
        else:
            self._facts[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        """As ``Records.get``."""
        return self._facts.get(key, default)

    async def written(self) -> bool:
        """As ``Records.written``; there is nothing to write."""
        return self.degraded is None

    async def recorded(self) -> bool:
        """As ``Records.recorded``; there is nothing to write."""
        return self.degraded is None

    def close(self, seconds: float = 5.0) -> None:
        """As ``Records.close``; there is nothing to write."""


class History(MemoryHistory):
    """A history on disk. ``open`` one; its writer thread lives until ``close``."""

    def __init__(self, path: Path, limit: int, days: float, warn: Callable[[str], None]) -> None:
        super().__init__(min(limit, IN_MEMORY))
        self._path = path.absolute()
        self._kept = limit
        self._age = days * 86400
        self._warn = warn
        self._queue: queue.Queue[_Write] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._hurry = threading.Event()
        self._dropping = False
        self._since_pruned = 0
        self._aged_at = time.monotonic()
        self._identity = (0, 0)
        self._overdue: _Barrier | None = None

    @classmethod
    def open(
        cls, path: Path, *, limit: int = 10_000, days: float = 30.0, warn: Callable[[str], None] = lambda _text: None
    ) -> "History":
        """The history at ``path``, with its facts loaded; without a usable disk one that lives in memory only.

        A broken file is renamed aside and a new one begun. ``warn`` gets each trouble once, in words, from any thread.
        """
        history = cls(path, limit, days, warn)
        database = history._connect()
        if database is not None:
            history._thread = threading.Thread(target=history._write_all, args=(database,), name="history", daemon=True)
            history._thread.start()
        return history

    def record(self, record: DecisionRecord) -> None:
        """As ``Records.record``."""
        if self._kept == 0:
            return
        super().record(record)
        self._enqueue(_row(record))

    def put(self, key: str, value: Any) -> None:
        """As ``Records.put``."""
        super().put(key, value)
        self._enqueue((key, None if value is None else _json(value)))

    async def recent(self, limit: int) -> list[DecisionRecord]:
        """As ``Records.recent``."""
        read = partial(history_file.recent, limit=min(max(0, limit), MOST_ROWS))
        found = await anyio.to_thread.run_sync(self._read, read)
        return await super().recent(limit) if found is None else found

    async def select(self, wanted: RecordFilter, limit: int) -> list[DecisionRecord]:
        """As ``Records.select``."""
        read = partial(history_file.select, wanted=wanted, limit=min(max(0, limit), MOST_ROWS))
        found = await anyio.to_thread.run_sync(self._read, read)
        return await super().select(wanted, limit) if found is None else found

    async def find(self, prefix: str) -> list[DecisionRecord]:
        """As ``Records.find``."""
        read = partial(history_file.find, prefix=prefix, limit=_FOUND)
        found = await anyio.to_thread.run_sync(self._read, read)
        return await super().find(prefix) if found is None else found

    async def written(self) -> bool:
        """As ``Records.written``."""
        return await self._committed(FACT_WITHIN)

    async def recorded(self) -> bool:
        """As ``Records.recorded``."""
        if self._kept == 0:
            return True
        kept = False
        with anyio.CancelScope(shield=True):
            kept = await self._committed(RECORD_WITHIN)
        return kept  # noqa: RET504 - mypy expects that a scope may swallow

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, for at most ``seconds``; a disk that hangs is left behind."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        started = time.monotonic()
        try:
            self._hurry.set()
            self._queue.put(None, timeout=seconds)
            self._hurry.set()
        except queue.Full:
            self._warn(f"history: {self._path} is too slow; the last records are lost")
            return
        thread.join(max(0.0, seconds - (time.monotonic() - started)))
        if thread.is_alive():
            self._warn(f"history: {self._path} is too slow; the last records may be lost")

    # ---- the caller's side ----

    def _enqueue(self, write: _Write) -> bool:
        """Queue a write; False where it is dropped."""
        if self._thread is None:
            return False
        try:
            self._queue.put_nowait(write)
            self._dropping = False
        except queue.Full:
            if not self._dropping:
                self._dropping = True
                self._warn(f"history: {self._path} can't keep up; records are dropped until it can")
            return False
        return True

    async def _committed(self, within: float) -> bool:
        """Whether everything queued so far is committed within so many seconds."""
        loop = asyncio_loop()
        if loop is None:  # trio, which has no cheap way to be woken from another thread
            return await anyio.to_thread.run_sync(self._await_writer, within)
        event = anyio.Event()
        barrier = self._barrier(partial(loop.call_soon_threadsafe, event.set))
        if barrier is None:
            return False
        with anyio.move_on_after(within):
            await event.wait()
        return self._outcome(barrier)

    def _await_writer(self, within: float = FACT_WITHIN) -> bool:
        """``_committed`` for a worker thread."""
        event = threading.Event()
        barrier = self._barrier(event.set)
        if barrier is None:
            return False
        event.wait(within)
        return self._outcome(barrier)

    def _barrier(self, wake: Callable[[], object]) -> _Barrier | None:
        """A barrier behind everything queued so far; None where waiting is of no use.

        While the disk hangs, only the first caller waits for it: every other one would wait its whole time in vain.
        """
        if self._overdue is not None and self._overdue.kept is None:
            return None
        barrier = _Barrier(wake)
        if not self._enqueue(barrier):
            return None
        self._hurry.set()
        return barrier

    def _outcome(self, barrier: _Barrier) -> bool:
        if barrier.kept is None:
            self._overdue = barrier
        return barrier.kept is True

    def _read(self, read: Callable[[sqlite3.Connection], list[DecisionRecord]]) -> list[DecisionRecord] | None:
        """In a worker thread: what ``read`` finds once everything before is written; None where the disk fails."""
        if self._thread is None or self.degraded is not None:
            return None
        self._await_writer()
        try:
            database = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=2.0)
            try:
                return read(database)
            finally:
                database.close()
        except sqlite3.Error:
            return None

    def _connect(self) -> sqlite3.Connection | None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                database = history_file.connect(self._path)
            except sqlite3.OperationalError:
                raise  # no permission, no space, locked: the file itself may be fine
            except sqlite3.DatabaseError as err:
                aside = history_file.set_aside(self._path, time.strftime("%Y%m%d-%H%M%S"))
                self._warn(f"history: {self._path} is broken ({err}); it is now {aside.name}, and a new one is begun")
                database = history_file.connect(self._path)
            self._facts.update(history_file.state(database))
            # A clock that is far ahead must not cost the history: no record is too old beside the newest one.
            newest = history_file.newest(database)
            history_file.prune(database, self._kept, min(time.time(), newest) - self._age)
            self._identify()
        except (OSError, sqlite3.Error, history_file.NewerSchema) as err:
            self._degrade(err)
            return None
        return database

    def _oldest(self) -> float:
        """Before which instant a record is too old: judged once in a day of running, as the clock may be wrong."""
        if time.monotonic() - self._aged_at < DAY:
            return -math.inf
        self._aged_at = time.monotonic()
        return time.time() - self._age

    def _degrade(self, err: Exception) -> None:
        self.degraded = f"history: {self._path} can't be used ({err}); it is kept in memory only"
        self._warn(self.degraded)

    # ---- the writer's side ----

    def _write_all(self, database: sqlite3.Connection) -> None:
        ended = False
        while not ended:
            batch = self._next_batch()
            ended = None in batch
            try:
                database = self._still_there(database)
                self._write(database, batch)
            except (OSError, sqlite3.Error, history_file.NewerSchema) as err:
                if self.degraded is None:
                    self._degrade(err)
            for one in batch:
                if isinstance(one, _Barrier):
                    one.release(kept=self.degraded is None)
        database.close()

    def _still_there(self, database: sqlite3.Connection) -> sqlite3.Connection:
        """The database; a new one with everything that is known, where somebody took its file away under us."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            now = None
        if now is not None and (now.st_dev, now.st_ino) == self._identity:
            return database
        if self.degraded is None:
            self._degrade(FileNotFoundError("its file was taken away; a new one is begun"))
        database.close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = history_file.connect(self._path)
        self._identify()
        return database

    def _identify(self) -> None:
        stat = self._path.stat()
        self._identity = stat.st_dev, stat.st_ino

    def _next_batch(self) -> list[_Write]:
        batch = [self._queue.get()]
        self._hurry.wait(GATHER)
        self._hurry.clear()
        while len(batch) < WAITING and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        return batch

    def _write(self, database: sqlite3.Connection, batch: list[_Write]) -> None:
        """One transaction for the whole batch; after a failure with all the facts and records that it may have lost."""
        records = [one for one in batch if isinstance(one, tuple) and len(one) == 3]
        facts: list[tuple[str, str | None]] = [one for one in batch if isinstance(one, tuple) and len(one) == 2]
        if not records and not facts and self.degraded is None:
            return
        if self.degraded is not None:
            records = [_row(record) for record in tuple(self._records.values())] + records
            facts = [(key, _json(value)) for key, value in self._facts.copy().items()] + facts
        self._since_pruned += len(records)
        database.execute("BEGIN IMMEDIATE")
        try:
            history_file.write_records(database, records)
            history_file.write_state(database, facts)
            if self._since_pruned >= PRUNE_EVERY:
                history_file.prune(database, self._kept, self._oldest())
                self._since_pruned = 0
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        self.degraded = None


def _row(record: DecisionRecord) -> tuple[str, float, str]:
    return record.id, record.asked_at, _json(record)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
