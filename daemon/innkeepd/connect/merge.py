"""Write what a client needs into its files, and take it back: with a backup, and whole or not at all."""

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, structs

from innkeepd.clients.documents import dotted
from innkeepd.clients.edit import Edit, Entry, edit, opened, taken_back
from innkeepd.clients.table import Client, Installation, place_of
from innkeepd.connect import journal
from innkeepd.connect.journal import Written
from innkeepd.errors import DaemonError
from innkeepd.openclaw.document import keep_copy
from innkeepd.service.files import write_whole

LARGEST = 8 * 2**20
"""Bytes of a configuration file that is read."""


class Person(Struct, frozen=True):
    """Whose files: their environment, home folder, system, and innkeep's own folder."""

    environ: Mapping[str, str]
    user_home: Path
    platform: str
    home: Path


class _Plan(Struct, frozen=True):
    """One file and what is to be written: ``text`` is what it holds, None where there is none."""

    format: str
    path: Path
    text: str | None
    change: Edit


class Outcome(Struct, frozen=True):
    """What happened to one file: ``backup`` keeps what was there, ``notes`` are for the person."""

    file: Path
    changed: bool
    backup: Path | None = None
    removed: bool = False
    notes: list[str] = []


def write(client: Client, there: Installation, person: Person) -> list[Outcome]:
    """Merge into every file of the client; all are computed before the first is written. Raises DaemonError."""
    kept = journal.path_of(person.home, client.name)
    before = journal.read(kept)
    plans = []
    for file in client.files:
        path = place_of(file, person.environ, person.user_home, person.platform).resolve()
        text = _read(path)
        plans.append(_Plan(file.format, path, text, edit(text or "", file, there, str(path))))
    done = []
    for plan in plans:
        if plan.text is not None and plan.change.text == plan.text:
            done.append(Outcome(plan.path, changed=False))
            continue
        try:
            done.append(_write(plan, before, kept))
        except OSError as fault:
            raise DaemonError(f"{fault.filename or plan.path}: can't be written: {fault.strerror}") from None
    return done


def undo(client: Client, person: Person) -> list[Outcome]:
    """Put every file back as it was; what somebody changed since stays. Raises DaemonError."""
    kept = journal.path_of(person.home, client.name)
    written = journal.read(kept)
    if not written:
        raise DaemonError(f"nothing to undo: `innkeep connect {client.name} --write` has changed nothing here")
    done = []
    for name, one in list(written.items()):
        try:
            done.append(_restore(Path(name), one))
            del written[name]
            journal.write(kept, written)
        except OSError as fault:
            raise DaemonError(f"{fault.filename or name}: can't be written: {fault.strerror}") from None
    return done


def _write(plan: _Plan, before: dict[str, Written], kept: Path) -> Outcome:
    """One file: backup, journal, then the file itself, so that an end in between loses nothing."""
    path, text, change = plan.path, plan.text, plan.change
    known = before.get(str(path)) if text is not None else None
    untouched = known is not None and text is not None and _digest(text) == known.sha256
    if known is not None and untouched:
        backup, mode = None, path.stat().st_mode & 0o777
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        backup, mode = keep_copy(path)
    now = Written(
        plan.format, _digest(change.text), str(backup or ""), exact=True, entries=change.entries, made=change.made
    )
    if known is not None:
        exact = known.exact and untouched
        entries = [*_joined(known.entries, change.entries)]
        made = [*known.made, *(each for each in change.made if each not in known.made)]
        now = structs.replace(now, backup=known.backup, exact=exact, entries=entries, made=made)
    before[str(path)] = now
    journal.write(kept, before)
    write_whole(path, change.text.encode(), mode)
    return Outcome(path, changed=True, backup=backup)


def _joined(old: list[Entry], new: list[Entry]) -> list[Entry]:
    """The entries of two writes: what was there before the first counts, unless somebody changed it in between."""
    found = {entry.path: entry for entry in old}
    for entry in new:
        first = found.get(entry.path)
        if first is not None and first.after == entry.before:
            entry = structs.replace(entry, before=first.before)  # noqa: PLW2901
        found[entry.path] = entry
    return list(found.values())


def _restore(path: Path, one: Written) -> Outcome:
    text = _read(path)
    if text is None:
        return Outcome(path, changed=False, notes=["is gone, so there is nothing to put back"])
    backup = Path(one.backup) if one.backup else None
    if one.exact and _digest(text) == one.sha256:
        if backup is None:
            path.unlink()
            return Outcome(path, changed=True, removed=True)
        with contextlib.suppress(FileNotFoundError):
            write_whole(path, backup.read_bytes(), path.stat().st_mode & 0o777)
            backup.unlink()
            return Outcome(path, changed=True)
    change = taken_back(text, one.format, str(path), one.entries, one.made)
    notes = [f"{dotted(entry.path)} was changed since and stays" for entry in change.entries]
    if backup is None and not opened(change.text, one.format, str(path)).content():
        path.unlink()
        return Outcome(path, changed=True, removed=True, notes=notes)
    write_whole(path, change.text.encode(), path.stat().st_mode & 0o777)
    return Outcome(path, changed=True, backup=backup, notes=notes)


def _read(path: Path) -> str | None:
    """The file's text, line ends as they are; None: no such file."""
    try:
        if path.stat().st_size > LARGEST:
            raise DaemonError(f"{path}: over {LARGEST // 2**20} MiB, so not a configuration")
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise DaemonError(f"{path}: can't be read: {fault.strerror}") from None
    except UnicodeDecodeError as fault:
        line = fault.object[: fault.start].count(b"\n") + 1
        raise DaemonError(f"{path}: line {line}: not UTF-8 text; left as it was") from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
