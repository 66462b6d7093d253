"""The daemon's log: JSON lines in a file that rotates by size, readable text on a terminal.

launchd rotates nothing, so the daemon does. A line never holds a secret, and what people wrote or were answered only
where ``log.prompts`` says so: both are taken out here, at the one place that every line passes. A log that can't be
written (disk full, folder gone) is told once on stderr and never stops an answer.
"""

import logging
import logging.handlers
import os
import re
import stat
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from innkeepd.config.schema import LogConfig

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["FILE_NAME", "PROMPTS", "SECRETS", "configure", "get", "request_line"]

FILE_NAME = "innkeepd.log"
SECRETS = frozenset({"token", "authorization", "password", "secret", "api_key", "cookie", "bearer"})
PROMPTS = frozenset(
    {"prompt", "messages", "content", "text", "input", "answer", "thinking", "system", "body", "images"}
)
"""Names of fields that hold what people wrote or were answered."""

LONGEST = 2000
"""Characters of one value: an engine's error text may hold a whole page."""

_REQUEST = ("id", "role", "model", "outcome", "waited", "swap", "first_token", "seconds", "tokens")
_LOGGER = "innkeepd"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What a terminal may obey instead of showing it: C0, C1, line separators, changes of direction."""


def configure(config: LogConfig, *, foreground: bool, folder: Path, terminal: IO[str] | None = None) -> Path:
    """Send the daemon's log to its file, and in the ``foreground`` to ``terminal`` (stderr) too; gives the file's path.

    ``folder`` is used where the configuration names no path. May be called again, after the configuration was re-read.
    Raises OSError where the file can't be opened.
    """
    import structlog  # noqa: PLC0415

    path = Path(config.path).expanduser() if config.path else folder / FILE_NAME
    outputs: list[logging.Handler] = [_file(path, config)]
    if foreground:
        outputs.append(_terminal(terminal or sys.stderr))
    _replace(outputs, config.level)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _Redactor(prompts=config.prompts),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, config.level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    return path


def get() -> "FilteringBoundLogger":
    """The daemon's logger: ``get().info("loaded", model=name)``."""
    import structlog  # noqa: PLC0415

    logger: FilteringBoundLogger = structlog.get_logger(_LOGGER)
    return logger


def request_line(**fields: Any) -> None:
    """The one line that every request leaves: id, role, model, outcome, waited, swap, first_token, seconds, tokens."""
    logger = logging.getLogger(_LOGGER)
    if logger.isEnabledFor(logging.INFO):
        order = (*(name for name in _REQUEST if name in fields), *(name for name in fields if name not in _REQUEST))
        logger.handle(_RequestRecord({name: _short(fields[name]) for name in order}))


def printable(value: Any) -> str:
    """``value`` as one line of text that moves no cursor and colours nothing, whoever chose its words."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(value))


def _short(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


class _RequestRecord(logging.LogRecord):
    """A request's line, which goes past structlog's processors: they would cost more than the rest of the request.

    It is made of figures and names, and holds nothing that would have to be taken out.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(_LOGGER, logging.INFO, "", 0, "request", None, None)
        self.fields = fields
        self.line: str | None = None

    def stamp(self) -> str:
        """The instant, as on every other line."""
        return datetime.fromtimestamp(self.created, UTC).isoformat().replace("+00:00", "Z")


class _Lines(logging.Formatter):
    """Formats requests at once, and everything else as structlog wants it."""

    def __init__(self, others: logging.Formatter, *, as_json: bool) -> None:
        super().__init__()
        self._others = others
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record, _RequestRecord):
            return self._others.format(record)
        if self._as_json:
            if record.line is None:  # asked for twice: will it fit, and what is it
                line = {"event": "request", **record.fields, "level": "info", "timestamp": record.stamp()}
                record.line = msgspec.json.encode(line, enc_hook=str).decode()
            return record.line
        shown = " ".join(f"{name}={printable(value)}" for name, value in record.fields.items())
        return f"{record.stamp()} [info     ] request {shown}"


class _Redactor:
    """Takes secrets out of every line, what people wrote unless it is wanted, and cuts what is too long."""

    def __init__(self, *, prompts: bool) -> None:
        self._hidden = SECRETS if prompts else SECRETS | PROMPTS

    def __call__(self, _logger: Any, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
        return {key: "***" if self._hides(key) else self._clean(value) for key, value in line.items()}

    def _hides(self, key: str) -> bool:
        return key.lower() in self._hidden

    def _clean(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: "***" if self._hides(str(key)) else self._clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(inner) for inner in value]
        if isinstance(value, str) and len(value) > LONGEST:
            return f"{value[:LONGEST]}... ({len(value)} characters)"
        return value


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotated file that only its owner reads, and that complains once where it can't be written."""

    _told = False
    _size = _length = 0
    """Bytes in the file: asked of the disk once, because asking for every line costs as much as writing it."""

    def _open(self) -> Any:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW  # a planted link leads to somebody's file
        file = os.fdopen(os.open(self.baseFilename, flags, 0o600), "a", encoding="utf-8")
        found = os.fstat(file.fileno())
        self._size = found.st_size
        if stat.S_ISREG(found.st_mode):
            os.fchmod(file.fileno(), 0o600)
        return file

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, in a new file where the old one is full."""
        super().emit(record)
        self._size += self._length

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 (logging's name)
        """Whether the line would not fit."""
        self._length = len(self.format(record).encode()) + 1
        return 0 < self.maxBytes < self._size + self._length and self._size > 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not self._told:
            self._told = True
            print(f"innkeepd: the log can't be written: {sys.exception()} ({record.name})", file=sys.stderr)  # noqa: T201


def _file(path: Path, config: LogConfig) -> logging.Handler:
    import structlog  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    if not config.path:
        path.parent.chmod(0o700)  # our own folder; one that the user named keeps its mode
    file = _PrivateFile(path, maxBytes=config.size, backupCount=config.keep, encoding="utf-8")
    file.setFormatter(
        _Lines(
            as_json=True,
            others=structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[
                    structlog.stdlib.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                ],
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.EventRenamer("event"),
                    structlog.processors.JSONRenderer(ensure_ascii=False),
                ],
            ),
        )
    )
    return file


def _terminal(stream: IO[str]) -> logging.Handler:
    import structlog  # noqa: PLC0415

    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        _Lines(
            as_json=False,
            others=structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[structlog.stdlib.add_log_level],
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0, sort_keys=False),
                ],
            ),
        )
    )
    return handler


def _replace(outputs: Iterable[logging.Handler], level: str) -> None:
    logger = logging.getLogger(_LOGGER)
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    for output in outputs:
        logger.addHandler(output)
    logger.setLevel(level.upper())
    logger.propagate = False
