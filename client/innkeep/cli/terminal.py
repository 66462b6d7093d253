"""Where a command writes: results to standard output, everything about them to standard error."""

import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

_UNPRINTABLE = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)))
"""Control characters but newline and tab: a model's text must not move the cursor or retitle the window."""


def terminal_width(stream: TextIO, environ: Mapping[str, str]) -> int:
    """Cells of one line: ``$COLUMNS``, else what the terminal says, else 80."""
    raw = environ.get("COLUMNS", "")
    if raw.isdigit() and int(raw) > 0:
        return int(raw)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


class Terminal:
    """Standard output and error, and what they can show.

    ``live`` (redraws in place, on standard error) holds on a terminal whose ``$TERM`` is not ``dumb``, ``coloured``
    (standard output) and ``dims`` (standard error) there and without ``$NO_COLOR``.
    """

    def __init__(
        self, out: TextIO | None = None, err: TextIO | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self.environ = os.environ if environ is None else environ
        dumb = self.environ.get("TERM") == "dumb"
        plain = dumb or bool(self.environ.get("NO_COLOR"))
        self.shows_out = self.out.isatty()
        self.shows_err = self.err.isatty()
        self.coloured = self.shows_out and not plain
        self.live = self.shows_err and not dumb
        self.dims = self.shows_err and not plain

    def __repr__(self) -> str:
        return f"<Terminal out={self.shows_out} err={self.shows_err} coloured={self.coloured} live={self.live}>"

    def paint(self, style: str, text: str) -> str:
        """``text`` in a style of ``STYLES``, where standard output shows colours."""
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.coloured else text

    def say(self, text: str) -> None:
        """Print a result, and a newline."""
        self.out.write(text + "\n")
        self.out.flush()

    def write(self, text: str) -> None:
        """Print a piece of an answer; on a terminal without control characters, in a pipe as it is."""
        self.out.write(text.translate(_UNPRINTABLE) if self.shows_out else text)
        self.out.flush()

    def print_json(self, message: Any) -> None:
        """Print a Struct or a plain object as one line of JSON."""
        import msgspec  # most of a cold start; an error line without --json goes without it

        self.say(msgspec.json.encode(message).decode())

    def note(self, text: str) -> None:
        """Print a line about the result to standard error."""
        self.err.write(text.translate(_UNPRINTABLE) + "\n")
        self.err.flush()

    def print_dim(self, text: str) -> None:
        """Print something aside, thinking for instance, to standard error, dimmed."""
        self.err.write(self.dimmed(text.translate(_UNPRINTABLE)))
        self.err.flush()

    def dimmed(self, text: str) -> str:
        """``text`` dimmed, where standard error shows colours."""
        return f"\x1b[{STYLES['dim']}m{text}\x1b[0m" if self.dims else text

    def print_error(self, line: str) -> None:
        """Print ``innkeep: what; what to do``."""
        self.note(f"innkeep: {line}")

    def table_width(self, *, long: bool = False) -> int | None:
        """Cells that a table may take; None in a pipe or where everything is wanted."""
        return None if long or not self.shows_out else terminal_width(self.out, self.environ)

    def width(self) -> int:
        """Cells of one line of standard error."""
        return terminal_width(self.err, self.environ)
