"""The SQLite file behind the history: decision records, and the few facts that survive a restart.

WAL, so that readers never wait for the writer and a killed daemon loses nothing that was committed. ``user_version`` is
the schema's version. Every function may raise ``sqlite3.Error``; none of them is called on the event loop.
"""

import contextlib
import math
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from innkeep.wire import DecisionRecord
from innkeepd.backends.decoding import Undecodable, decode
from innkeepd.store.filters import RecordFilter

__all__ = [
    "NewerSchema",
    "connect",
    "find",
    "newest",
    "prune",
    "recent",
    "select",
    "set_aside",
    "state",
    "write_records",
    "write_state",
]

_ANYTHING = msgspec.json.Decoder()
_RECORD = msgspec.json.Decoder(DecisionRecord)

VERSION = 1
_SCHEMA = """
CREATE TABLE records (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class NewerSchema(Exception):
    """The file was written by a newer innkeep; it is left alone."""


def connect(path: Path) -> sqlite3.Connection:
    """An open, checked database of our schema, made where there is none. Raises NewerSchema."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # only its owner reads it
    database = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise NewerSchema(f"schema {version}, this innkeep knows {VERSION}")
    (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    if version < VERSION:
        database.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {VERSION};COMMIT;")


def set_aside(path: Path, stamp: str) -> Path:
    """Rename a broken file and what belongs to it, so that a new one can be begun; gives the new name."""
    aside = path.with_name(f"{path.name}.broken-{stamp}")
    for tail in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + tail).rename(aside.with_name(aside.name + tail))
    return aside


def write_records(database: sqlite3.Connection, records: Iterable[tuple[str, float, str]]) -> None:
    """Add (id, at, JSON) records; a record with a known id replaces it in its place."""
    database.executemany(
        "INSERT INTO records (id, at, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        records,
    )


def write_state(database: sqlite3.Connection, facts: Iterable[tuple[str, str | None]]) -> None:
    """Set (key, JSON) facts; None removes the key."""
    for key, value in facts:
        if value is None:
            database.execute("DELETE FROM state WHERE key = ?", (key,))
        else:
            database.execute("INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)", (key, value))


def prune(database: sqlite3.Connection, limit: int, before: float) -> None:
    """Keep the newest ``limit`` records, none from ``before`` that instant."""
    database.execute("DELETE FROM records WHERE at < ?", (before,))
    database.execute(
        "DELETE FROM records WHERE number <= (SELECT number FROM records ORDER BY number DESC LIMIT 1 OFFSET ?)",
        (limit,),
    )


def newest(database: sqlite3.Connection) -> float:
    """When the newest record was asked, epoch seconds; infinity where there is none."""
    (at,) = database.execute("SELECT at FROM records ORDER BY number DESC LIMIT 1").fetchone() or (None,)
    return math.inf if at is None else float(at)


def state(database: sqlite3.Connection) -> dict[str, Any]:
    """Every fact, decoded; one that can't be decoded is left out."""
    facts: dict[str, Any] = {}
    for key, value in database.execute("SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM state"):
        with contextlib.suppress(Undecodable):
            facts[key.decode(errors="replace")] = decode(value, _ANYTHING)
    return facts


def recent(database: sqlite3.Connection, limit: int) -> list[DecisionRecord]:
    """The newest records, newest first."""
    rows = database.execute("SELECT CAST(body AS BLOB) FROM records ORDER BY number DESC LIMIT ?", (limit,))
    return _decoded(rows)


def select(database: sqlite3.Connection, wanted: RecordFilter, limit: int) -> list[DecisionRecord]:
    """The newest records that pass a filter, newest first; reads no further than it must."""
    rows = database.execute(
        "SELECT CAST(body AS BLOB) FROM records WHERE at >= ? ORDER BY number DESC",
        (-math.inf if wanted.since is None else wanted.since,),
    )
    found: list[DecisionRecord] = []
    for row in rows:
        if len(found) >= limit:
            break
        found += [record for record in _decoded([row]) if wanted.takes(record)]
    return found


def find(database: sqlite3.Connection, prefix: str, limit: int) -> list[DecisionRecord]:
    """The records whose id begins with ``prefix``, newest first."""
    rows = database.execute(
        "SELECT CAST(body AS BLOB) FROM records WHERE substr(id, 1, ?) = ? ORDER BY number DESC LIMIT ?",
        (len(prefix), prefix, limit),
    )
    return _decoded(rows)


def _decoded(rows: Iterable[tuple[bytes]]) -> list[DecisionRecord]:
    """Records of any version; one that a damaged page spoilt is left out."""
    found: list[DecisionRecord] = []
    for (body,) in rows:
        with contextlib.suppress(Undecodable):
            found.append(decode(body, _RECORD))
    return found
