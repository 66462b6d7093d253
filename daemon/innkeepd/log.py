"""The daemon's log: JSON lines in a file that rotates by size, readable text on a terminal.

launchd rotates nothing, so the daemon does. A line never holds a secret, and prompts and answers only where
``log.prompts`` says so: both are removed here, at the one place that every line passes. A file that can't be written
(disk full, folder gone) is reported once on stderr and never stops an answer.
"""

import os
import re
import stat
import sys
import threading
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import msgspec

from innkeepd.config.schema import LogConfig

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["FILE_NAME", "PROMPTS", "SECRETS", "close", "configure", "get", "request_line"]

FILE_NAME = "innkeepd.log"
SECRETS = frozenset({"token", "authorization", "password", "secret", "api_key", "cookie", "bearer"})
PROMPTS = frozenset(
    {"prompt", "messages", "content", "text", "input", "answer", "thinking", "system", "body", "images"}
)
"""Names of fields that hold prompts or answers."""

LONGEST = 2000
"""Characters of one value: an engine's error text may hold a whole page."""

_REQUEST = ("id", "role", "model", "outcome", "waited", "swap", "first_token", "seconds", "tokens")
_LOGGER = "innkeepd"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal may obey instead of showing: C0, C1, line separators, changes of direction."""


def configure(config: LogConfig, *, foreground: bool, folder: Path, terminal: IO[str] | None = None) -> Path:
    """Send the daemon's log to its file, and in the ``foreground`` to ``terminal`` (stderr) too; return the path.

    ``folder`` is used where the configuration names no path. May be called again, after the configuration was re-read.
    Raises OSError where the file can't be opened.
    """
    import structlog  # noqa: PLC0415

    path = Path(config.path).expanduser() if config.path else folder / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    if not config.path:
        path.parent.chmod(0o700)  # our own folder; one that the user named keeps its mode
    outputs = _Outputs(_PrivateFile(path, config.size, config.keep), (terminal or sys.stderr) if foreground else None)
    close()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _Redactor(prompts=config.prompts),
            outputs,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(config.level),
        cache_logger_on_first_use=False,
    )
    return path


def close() -> None:
    """Close the file that ``configure`` opened, if any; later lines go where structlog sends them by default."""
    import structlog  # noqa: PLC0415

    outputs = structlog.get_config()["processors"][-1]
    structlog.reset_defaults()
    if isinstance(outputs, _Outputs):
        outputs.close()


def get() -> "FilteringBoundLogger":
    """The daemon's logger: ``get().info("loaded", model=name)``."""
    import structlog  # noqa: PLC0415

    logger: FilteringBoundLogger = structlog.get_logger(_LOGGER)
    return logger


def request_line(**fields: Any) -> None:
    """The one line that every request leaves: id, role, model, outcome, waited, swap, first_token, seconds, tokens."""
    order = (*(name for name in _REQUEST if name in fields), *(name for name in fields if name not in _REQUEST))
    line = {name: round(fields[name], 3) if isinstance(fields[name], float) else fields[name] for name in order}
    get().info("request", **line)


def printable(value: Any) -> str:
    """``value`` as one line of text that moves no cursor and sets no colour, whoever chose its words."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(value))


class _Redactor:
    """Replaces secrets in a line, prompts and answers unless they are wanted, and cuts long values."""

    def __init__(self, *, prompts: bool) -> None:
        self._hidden = SECRETS if prompts else SECRETS | PROMPTS

    def __call__(self, _logger: Any, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
        return {key: "***" if str(key).lower() in self._hidden else self._clean(value) for key, value in line.items()}

    def _clean(self, value: Any) -> Any:
        if isinstance(value, MutableMapping):
            return self(None, "", value)
        if isinstance(value, list | tuple):
            return [self._clean(inner) for inner in value]
        if isinstance(value, str) and len(value) > LONGEST:
            return f"{value[:LONGEST]}... ({len(value)} characters)"
        return value


class _PrivateFile:
    """A file of mode 600, renamed to ``.1``, ``.2``, ... before a line would make it larger than ``limit`` bytes.

    ``limit`` 0: never. ``keep`` older files stay.
    """

    def __init__(self, path: Path, limit: int, keep: int) -> None:
        self._path, self._limit, self._keep = path, limit, keep
        self._lock = threading.Lock()
        self._open()

    def _open(self) -> None:
        # A symbolic link planted here would lead to another file.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        found = os.fstat(self._fd)
        self._size = found.st_size
        if stat.S_ISREG(found.st_mode):
            os.fchmod(self._fd, 0o600)

    def write(self, line: bytes) -> None:
        """Append ``line``; raises OSError where it can't be written."""
        with self._lock:
            if 0 < self._limit < self._size + len(line) and self._size:
                self._rotate()
            self._size += os.write(self._fd, line)

    def _rotate(self) -> None:
        self.close()
        numbered = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._keep + 1))]
        for older, newer in zip(numbered[:0:-1], numbered[-2::-1], strict=True):
            if newer.exists():
                newer.replace(older)
        if not self._keep:
            self._path.unlink(missing_ok=True)
        self._open()

    def close(self) -> None:
        os.close(self._fd)


class _Outputs:
    """structlog's last processor: writes a line to the file as JSON, and to a terminal as text."""

    def __init__(self, file: _PrivateFile, terminal: IO[str] | None) -> None:
        self._file = file
        self._terminal = terminal
        self._failed = False

    def __call__(self, _logger: Any, _method: str, line: Mapping[str, Any]) -> NoReturn:
        import structlog  # noqa: PLC0415

        try:
            self._file.write(msgspec.json.encode(line, enc_hook=str) + b"\n")
            if self._terminal:
                self._terminal.write(_text(line))
                self._terminal.flush()
        except (OSError, ValueError) as error:
            if not self._failed:
                self._failed = True
                print(f"innkeepd: the log can't be written: {error!r}", file=sys.stderr)  # noqa: T201
        raise structlog.DropEvent  # everything is written

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _text(line: Mapping[str, Any]) -> str:
    """A line for people: instant, level, event, fields, and the traceback below."""
    known = {"timestamp", "level", "event", "exception"}
    fields = "".join(f" {name}={printable(value)}" for name, value in line.items() if name not in known)
    trace = f"\n{line['exception']}" if "exception" in line else ""
    return f"{line['timestamp']} [{line['level']:<8}] {printable(line['event'])}{fields}{trace}\n"
