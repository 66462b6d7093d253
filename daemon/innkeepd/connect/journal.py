"""What ``connect --write`` changed, kept so that ``--undo`` can put it back: one file a client in ~/.innkeep/connect.

It holds the values that were there before, which may be secrets: for the owner's eyes only, like the files themselves.
"""

import json
from pathlib import Path as File
from typing import Any

from msgspec import Struct, field

from innkeepd.clients.documents import MISSING, Match, Path, Step
from innkeepd.clients.edit import Entry
from innkeepd.errors import DaemonError
from innkeepd.service.files import write_whole

PRIVATE = 0o600


class Written(Struct, frozen=True):
    """One file: ``sha256`` of what was written last, ``backup``: the file as it was before the first time.

    ``backup`` empty: there was no file. ``exact``: nobody else changed the file in between, so that the backup is what
    it would be without innkeep.
    """

    format: str
    sha256: str
    backup: str = ""
    exact: bool = True
    entries: list[Entry] = field(default_factory=list)
    made: list[Path] = field(default_factory=list)


def path_of(home: File, client: str) -> File:
    """The journal's file."""
    return home / "connect" / f"{client}.json"


def read(file: File) -> dict[str, Written]:
    """By path of the client's file; {} where nothing was written. Raises DaemonError for a broken journal."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {path: _decoded(one) for path, one in found["files"].items()}
    except FileNotFoundError:
        return {}
    except OSError as fault:
        raise DaemonError(f"{file}: can't be read: {fault.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise DaemonError(
            f"{file}: not the journal of `innkeep connect --write`; move it away, the backups lie beside the files"
        ) from None


def write(file: File, written: dict[str, Written]) -> None:
    """Bring the journal to this; without files it is removed. Raises OSError."""
    if not written:
        file.unlink(missing_ok=True)
        return
    content = {"version": 1, "files": {path: _encoded(one) for path, one in written.items()}}
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(file, (json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n").encode(), PRIVATE)


def _encoded(one: Written) -> dict[str, Any]:
    return {
        "format": one.format,
        "sha256": one.sha256,
        "backup": one.backup,
        "exact": one.exact,
        "entries": [
            {"path": _steps(entry.path), "after": entry.after}
            | ({} if entry.before is MISSING else {"before": entry.before})
            for entry in one.entries
        ],
        "made": [_steps(path) for path in one.made],
    }


def _decoded(one: dict[str, Any]) -> Written:
    entries = [Entry(_path(each["path"]), each.get("before", MISSING), each["after"]) for each in one["entries"]]
    made = [_path(path) for path in one["made"]]
    return Written(one["format"], one["sha256"], one["backup"], one["exact"], entries, made)


def _steps(path: Path) -> list[Any]:
    return [[step.key, step.value] if isinstance(step, Match) else step for step in path]


def _path(steps: list[Any]) -> Path:
    found: list[Step] = [Match(*step) if isinstance(step, list) else str(step) for step in steps]
    return tuple(found)
