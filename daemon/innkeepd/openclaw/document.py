"""``openclaw.json``: its path, and how to read and write it without losing anything."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import json5
from msgspec import Struct

from innkeepd.errors import DaemonError
from innkeepd.service.files import write_whole

Json: TypeAlias = dict[str, Any]
PRIVATE = 0o600
"""OpenClaw keeps tokens in this file."""


class Document(Struct, frozen=True):
    """A configuration as read; ``has_comments``: it holds what plain JSON would lose."""

    path: Path | None
    content: Json
    has_comments: bool = False


def usual_place(env: Mapping[str, str]) -> Path:
    """OpenClaw's own order: $OPENCLAW_CONFIG_PATH, openclaw.json in $OPENCLAW_STATE_DIR, in ~/.openclaw."""
    home = Path(env.get("HOME") or Path.home())
    if named := env.get("OPENCLAW_CONFIG_PATH"):
        return _at_home(named, home)
    return _at_home(env.get("OPENCLAW_STATE_DIR") or "~/.openclaw", home) / "openclaw.json"


def read(path: Path) -> Document:
    """Read JSON5; ``-`` is standard input. Raises DaemonError with file and what is wrong."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DaemonError(
            f"{path}: no such file; name OpenClaw's configuration (`openclaw config file` tells it)"
        ) from None
    except OSError as fault:
        raise DaemonError(f"{path}: can't be read: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise DaemonError(f"{path}: not UTF-8 text, so not OpenClaw's configuration") from None
    content, plain = _parsed(text, path)
    if not isinstance(content, dict):
        raise DaemonError(f"{path}: expected an object {{...}} as OpenClaw's configuration is, got {_kind(content)}")
    return Document(None if str(path) == "-" else path, content, has_comments=not plain)


def write(place: Path, content: Json) -> Path | None:
    """Bring the file to ``content``; the backup of what was there, if anything was. Raises DaemonError."""
    path = place.resolve()  # a link from a folder of dotfiles stays a link
    try:
        backup, mode = keep_copy(path)
        write_whole(path, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode(), mode)
    except OSError as fault:
        raise DaemonError(f"{path}: can't be written: {fault.strerror}") from None
    return backup


def keep_copy(path: Path, mode: int = PRIVATE) -> tuple[Path | None, int]:
    """Copy a file beside itself, never over an older copy: (the copy or None, the mode that the file has or gets)."""
    if not path.exists():
        return None, mode
    names = (f"{path.name}.bak{number or ''}" for number in range(10_000))
    backup = next(one for name in names if not (one := path.with_name(name)).exists())
    shutil.copy2(path, backup)
    return backup, path.stat().st_mode & 0o777


def _at_home(text: str, home: Path) -> Path:
    return home / text[2:] if text.startswith("~/") else Path(text)


def _parsed(text: str, path: Path) -> tuple[Any, bool]:
    """The value, and whether plain JSON was enough (json5 is slow, and most files don't need it)."""
    try:
        return json.loads(text), True
    except (ValueError, RecursionError):
        pass
    if not text.strip():
        raise DaemonError(f"{path}: empty; OpenClaw's configuration is an object {{...}}")
    try:
        return json5.loads(text), False
    except ValueError as fault:
        where = " ".join(str(fault).removeprefix("<string>:").split())
        raise DaemonError(f"{path}: not JSON5: line {where}") from None
    except RecursionError:
        raise DaemonError(f"{path}: nested too deeply to be OpenClaw's configuration") from None


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number or a boolean")
