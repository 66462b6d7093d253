"""Metal's memory limit, from the lines that Ollama logs: no sysctl tells the default, which differs by macOS."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

_LINE = re.compile(
    r'msg="inference compute"[^\n]*library=Metal[^\n]*?total="(?P<gib>\d{1,9}(?:\.\d{1,9})?) GiB"'
    r"|recommendedMaxWorkingSetSize\s*=\s*(?P<mb>\d{1,12}(?:\.\d{1,9})?) MB"
)
_PART = 256 * 1024
"""Bytes read from each end of a log: the line comes at a server's start, but Homebrew's log is never rotated."""
_ROUNDING = 2**30 // 20
"""Ollama prints GiB with one decimal."""


def log_paths(home: Path | None = None) -> tuple[Path, ...]:
    """Where Ollama's log may be: the app's, and Homebrew's on Apple silicon and on Intel."""
    return (
        (home or Path.home()) / ".ollama" / "logs" / "server.log",
        Path("/opt/homebrew/var/log/ollama.log"),
        Path("/usr/local/var/log/ollama.log"),
    )


def parse_metal_limit(text: str) -> int | None:
    """Bytes that Metal grants to one program, by the last line that says so; None where none does.

    ``recommendedMaxWorkingSetSize = 28991.03 MB`` is bytes / 10^6 (llama.cpp); ``total="27.0 GiB"`` is rounded, so
    the former is taken where both mean the same.
    """
    exact = rounded = None
    for match in _LINE.finditer(text):
        if match["mb"]:
            exact, rounded = round(float(match["mb"]) * 1e6), None
        else:
            rounded = round(float(match["gib"]) * 2**30)
    if rounded is None or (exact is not None and abs(exact - rounded) <= _ROUNDING):
        return exact
    return rounded


class MetalLog:
    """The limit in the newest of Ollama's logs, read again when one has changed and ``rest`` seconds have passed."""

    def __init__(self, paths: Sequence[Path] | None = None, rest: float = 60.0) -> None:
        self._paths = log_paths() if paths is None else tuple(paths)
        self._rest = rest
        self._looked: float | None = None
        self._seen: tuple[tuple[float, int, Path], ...] = ()
        self._limit: int | None = None

    def limit(self, now: float) -> int | None:
        """Bytes, None where no log tells; never raises. ``now`` in seconds."""
        if self._looked is not None and now - self._looked < self._rest:
            return self._limit
        self._looked = now
        seen = tuple(sorted((s for path in self._paths if (s := _stamp(path)) is not None), reverse=True))
        if seen != self._seen:
            self._seen = seen
            limits = (parse_metal_limit(_ends(path)) for _, _, path in seen)
            # A log that grew past both ends no longer shows the line: what it once said still holds.
            self._limit = next((limit for limit in limits if limit), self._limit)
        return self._limit


def _stamp(path: Path) -> tuple[float, int, Path] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime, stat.st_size, path


def _ends(path: Path) -> str:
    try:
        with path.open("rb") as log:
            head = log.read(_PART)
            size = log.seek(0, os.SEEK_END)
            log.seek(max(size - _PART, len(head)))
            tail = log.read(_PART)
    except OSError:
        return ""
    return (head + b"\n" + tail).decode(errors="replace")
