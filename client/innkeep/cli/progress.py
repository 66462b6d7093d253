"""One line on standard error that says what is being waited for, redrawn in place and once a second."""

from collections.abc import Callable
from contextvars import copy_context
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Self, TypeAlias

from innkeep.cli.table import cut, width
from innkeep.cli.terminal import Terminal

Line: TypeAlias = str | Callable[[float, int], str]
"""The text, or what gives it: ``line(seconds since it was shown, cells that it may take)``."""

TICK = 1.0
"""Seconds between two redraws."""


class Progress:
    """``with Progress(terminal) as progress: progress.show("…")``; nothing of it is left on the screen at the end.

    A line that depends on the time is redrawn each second by a thread of its own. On a terminal that can't redraw
    (``TERM=dumb``) a line is printed when ``topic`` changes; where standard error is no terminal nothing is.
    ``silent``: never anything.
    """

    def __init__(self, terminal: Terminal, *, silent: bool = False, clock: Callable[[], float] = monotonic) -> None:
        self._terminal = terminal
        self._silent = silent or not terminal.shows_err
        self._clock = clock
        self._topic: str | None = None
        self._line: Line | None = None
        self._since = 0.0
        self._drawn = 0  # cells of what stands on the screen
        self._lock = Lock()
        self._over = Event()
        self._ticker: Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.clear()

    def show(self, line: Line, topic: str | None = None) -> None:
        """Draw ``line`` from now on; ``topic`` is what of it is news on a terminal that can't redraw."""
        if self._silent:
            return
        if not self._terminal.live:
            self._print_once(line, topic)
            return
        with self._lock:
            self._line, self._since = line, self._clock()
            self._draw()
        if self._ticker is None and not isinstance(line, str):
            self._ticker = Thread(target=copy_context().run, args=(self._tick,), daemon=True)  # speaks our language
            self._ticker.start()

    def clear(self) -> None:
        """Wipe the line, so that what is printed next starts on a clean one."""
        with self._lock:
            self._line = None
            self._wipe()

    def redraw(self) -> None:
        """Draw the line as it is now; the ticker's work."""
        with self._lock:
            if self._line is not None and not isinstance(self._line, str):
                self._draw()

    def _tick(self) -> None:
        while not self._over.wait(TICK):
            self.redraw()

    def _print_once(self, line: Line, topic: str | None) -> None:
        text = _text(line, 0.0, self._terminal.width())
        if self._topic != (topic or text):
            self._topic = topic or text
            self._terminal.note(text)

    def _draw(self) -> None:
        room = self._terminal.width() - 1
        shown = cut(_text(self._line or "", self._clock() - self._since, room), room)
        self._wipe()
        self._terminal.err.write(self._terminal.dimmed(shown))
        self._terminal.err.flush()
        self._drawn = width(shown)

    def _wipe(self) -> None:
        """Also the rows that a line takes after the window has become narrower."""
        if self._drawn:
            rows_above = (self._drawn - 1) // max(1, self._terminal.width())
            up = f"\x1b[{rows_above}A" if rows_above else ""
            self._terminal.err.write(f"\r{up}\x1b[J")
            self._terminal.err.flush()
            self._drawn = 0


def _text(line: Line, since: float, cells: int) -> str:
    return line if isinstance(line, str) else line(since, cells)
