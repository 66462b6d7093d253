"""``service logs``: the daemon's log for a person, and following it across rotations.

The daemon rotates its log itself (launchd rotates nothing): by renaming it and opening a new one, so whoever follows
has to notice that the name has become another file.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from innkeepd.service.clock import Clock
from innkeepd.service.files import tail

PAUSE = 0.5
"""Seconds between two looks at the file while following."""

FIRST = ("timestamp", "level", "event")


def readable(line: str) -> str:
    """A JSON line as ``time level event key=value ...``; anything else as it is."""
    try:
        written: Any = json.loads(line)
    except ValueError:
        return line
    if not isinstance(written, dict):
        return line
    head = [str(written[key]) for key in FIRST if key in written]
    rest = [f"{key}={_plain(value)}" for key, value in written.items() if key not in FIRST]
    return " ".join(head + rest)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) and value and " " not in value else json.dumps(value, ensure_ascii=False)


def last_lines(path: Path, lines: int) -> list[str]:
    """The last lines of a log; none where there is no log."""
    return tail(path, lines, most=max(64 * 1024, lines * 1024))


def follow(path: Path, clock: Clock) -> Iterator[str]:
    """What is added to ``path`` from now on, line by line, for ever; a rotated file is read from its start."""
    held = _open(path, at_end=True)
    unfinished = b""
    try:
        while True:
            unfinished += os.read(held, 1 << 20) if held is not None else b""
            *whole, unfinished = unfinished.split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)
            if whole:
                continue
            if (held is not None and not _is_another(path, held)) or (fresh := _open(path, at_end=False)) is None:
                clock.sleep(PAUSE)
            else:
                if held is not None:
                    os.close(held)
                held, unfinished = fresh, b""
    finally:
        if held is not None:
            os.close(held)


def _open(path: Path, *, at_end: bool) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if at_end:
        os.lseek(descriptor, 0, os.SEEK_END)
    return descriptor


def _is_another(path: Path, held: int) -> bool:
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    then = os.fstat(held)
    return (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino) or now.st_size < os.lseek(held, 0, os.SEEK_CUR)
