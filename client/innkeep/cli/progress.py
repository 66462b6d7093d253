"""One line on standard error that tells what is being waited for, redrawn in place where the terminal can."""

from types import TracebackType
from typing import Self

from innkeep.cli.table import cut, width
from innkeep.cli.terminal import Terminal


class Progress:
    """``with Progress(terminal) as progress: progress.show("…")``; nothing of it is left on the screen at the end.

    Without redraw (``$NO_COLOR``, a dumb terminal) a line is printed when ``topic`` changes, not each second. Where
    standard error is no terminal nothing is printed.
    """

    def __init__(self, terminal: Terminal, *, silent: bool = False) -> None:
        self._terminal = terminal
        self._silent = silent or not terminal.shows_err
        self._topic: str | None = None
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, line: str, topic: str | None = None, *, shorter: str = "") -> None:
        """Draw ``line``, or ``shorter`` where it is too wide; ``topic`` is what of it is news (None: all of it)."""
        if self._silent:
            return
        if self._terminal.live:
            room = self._terminal.width() - 1
            shown = cut(shorter if shorter and width(line) > room else line, room)
            self._terminal.err.write(f"\r\x1b[2m{shown}\x1b[0m\x1b[K")
            self._terminal.err.flush()
            self._drawn = True
        elif self._topic != (topic or line):
            self._topic = topic or line
            self._terminal.note(line)

    def clear(self) -> None:
        """Wipe the line, so that what is printed next starts on a clean one."""
        if self._drawn:
            self._terminal.err.write("\r\x1b[K")
            self._terminal.err.flush()
            self._drawn = False
