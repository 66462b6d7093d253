"""The terminal program behind ``innkeep top``, on Textual: follows a watch, draws what changed, obeys keys."""

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import ClassVar

import anyio
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, Label, Static

from innkeep.cli.outcome import error_line
from innkeep.cli.record import explain_text
from innkeep.cli.top_state import TopState
from innkeep.cli.top_view import BLOCKS, Line, Marks, screen
from innkeep.cli.units import seconds
from innkeep.client import AsyncClient
from innkeep.errors import InnkeepError
from innkeep.units import seconds as parse_seconds

EVERY = 0.5
"""Seconds between two snapshots while much changes."""
RETRY = (1.0, 10.0)
"""Seconds before the next try to reach a daemon that went away: the first, and the longest."""
HOLD = "30m"
PAST = 50


class Board(Widget):
    """The whole screen, line by line: a line that did not change is not drawn again."""

    can_focus = True

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Line] = []
        self.drawn = 0
        """Lines drawn since the start."""

    def show(self, lines: list[Line]) -> None:
        """Draw these lines where they differ from what is there."""
        old, self._lines = self._lines, lines
        for row, line in enumerate(lines):
            if row >= len(old) or old[row] != line:
                self.drawn += 1
                self.refresh(Region(0, row, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """One line, filled up to the width."""
        line = self._lines[y] if y < len(self._lines) else ()
        strip = Strip([Segment(text, Style.parse(style)) for text, style in line])
        return strip.adjust_cell_length(self.size.width)


class Explain(ModalScreen[None]):
    """The decision record of one request, over everything else."""

    BINDINGS: ClassVar = [Binding("escape,q,e,enter", "dismiss", "close")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text, scrollable."""
        with VerticalScroll():
            yield Static(self._text, markup=False)
            yield Label("esc closes", markup=False)


class AskDuration(ModalScreen[str | None]):
    """Asks for how long memory is to be held free."""

    BINDINGS: ClassVar = [Binding("escape", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        """One line to type into."""
        yield Label("hold for (90s, 30m, 2h; esc: not at all)", markup=False)
        yield Input(HOLD)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give what was typed."""
        self.dismiss(event.value)


class TopApp(App[int]):
    """Follows the daemon until ``q``."""

    CSS = """
    Screen { background: transparent; }
    Board { width: 100%; height: 100%; }
    Explain { align: center middle; background: transparent; }
    Explain > VerticalScroll { width: 90%; height: 80%; border: round ansi_cyan; background: ansi_default; }
    AskDuration { align: center middle; background: transparent; }
    AskDuration > Label, AskDuration > Input { width: 46; background: ansi_default; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [
        Binding("ctrl+c", "quit", "quit", priority=True),
        Binding("q", "quit", "quit"),
        Binding("up,k", "move(-1)", "up"),
        Binding("down,j", "move(1)", "down"),
        Binding("u", "unload", "unload"),
        Binding("p", "pin", "pin"),
        Binding("h", "hold", "hold"),
        Binding("c", "cancel_load", "cancel load"),
        Binding("e,enter", "explain", "explain"),
    ]

    def __init__(
        self,
        client: AsyncClient,
        *,
        read_only: bool = False,
        marks: Marks = BLOCKS,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(ansi_color=True)
        self.state = TopState(read_only=read_only)
        self._client = client
        self._marks = marks
        self._now = now
        self.board = Board()

    def compose(self) -> ComposeResult:
        """One widget is the whole screen."""
        yield self.board

    def on_mount(self) -> None:
        """Begin to follow the daemon, and to count down each second."""
        self.animation_level = "none"
        self.board.focus()
        self.run_worker(self._follow(), name="follow", exit_on_error=True)
        self.set_interval(1.0, self.tick)

    async def on_unmount(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.draw()

    def tick(self) -> None:
        """A second has passed: countdowns and sparklines move; the daemon is not asked."""
        self.state.sample(self._now())
        self.draw()

    def draw(self) -> None:
        """Draw what changed."""
        size = self.size
        self.board.show(screen(self.state, self._now(), size.width, size.height, self._marks))

    async def _follow(self) -> None:
        """Take the daemon's snapshots and events; one that went away is tried again and again."""
        pause = RETRY[0]
        while True:
            try:
                self.state.take_history((await self._client.history(limit=PAST)).records)
                async with aclosing(self._client.watch(["request"], every=EVERY)) as replies:
                    async for reply in replies:
                        pause, was_lost = RETRY[0], self.state.status is None
                        self.state.take(reply, self._now())
                        self.state.message = "" if was_lost else self.state.message
                        self.draw()
            except InnkeepError as error:
                self.state.status = None
                self.state.message = f"{error_line(error)}; trying again"
                self.draw()
            await anyio.sleep(pause)
            pause = min(RETRY[1], pause * 2)

    # ---- keys ----

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the main screen do nothing under a dialog, but for Ctrl-C."""
        del parameters
        return action == "quit" or not isinstance(self.screen, ModalScreen) or action == "dismiss"

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.state.move(by)
        self.draw()

    def action_unload(self) -> None:
        """Unload the chosen model."""
        name = self.state.model()
        self._change(name, "choose a model in memory first", f"unloading {name}", lambda: self._client.unload(name))

    def action_pin(self) -> None:
        """Pin the chosen model, or unpin it."""
        name = self.state.model()
        residents = self.state.status.resident if self.state.status else []
        is_pinned = any(one.name == name and one.pinned for one in residents)
        ask = self._client.unpin if is_pinned else self._client.pin
        word = "unpinning" if is_pinned else "pinning"
        self._change(name, "choose a model in memory first", f"{word} {name}", lambda: ask(name or ""))

    def action_cancel_load(self) -> None:
        """Give up the load under way."""
        name = self.state.loading()
        self._change(
            name,
            "no model is loading",
            f"cancelling the load of {name}",
            lambda: self._client.unload(name, cancel_load=True),
        )

    def action_hold(self) -> None:
        """End a hold, or ask for how long to hold."""
        if self.state.status is not None and self.state.status.held_until is not None:
            self._change("", "", "ending the hold", self._client.resume)
        elif self.state.read_only:
            self._change(None, "", "", self._client.resume)
        else:
            self.push_screen(AskDuration(), self._hold)

    def _hold(self, typed: str | None) -> None:
        if not typed:
            return
        try:
            length = parse_seconds(typed)
        except ValueError:
            self._say(f"invalid duration {typed!r}; use 90, 90s, 5m or 1h30m")
            return
        self._change("", "", f"holding for {seconds(length)}", lambda: self._client.hold(length, why="innkeep top"))

    def action_explain(self) -> None:
        """Show the record of the chosen request."""
        name = self.state.request()
        if name is None:
            self._say("no request has ended yet")
            return
        self.run_worker(self._explain(name), exit_on_error=True)

    async def _explain(self, name: str) -> None:
        try:
            found = (await self._client.history(limit=1, request=name)).records
        except InnkeepError as error:
            self._say(error_line(error))
            return
        if found:
            self.push_screen(Explain(explain_text(found[0])))
        else:
            self._say(f"{name} has not ended yet")

    def _change(self, name: str | None, nothing: str, doing: str, ask: Callable[[], Awaitable[object]]) -> None:
        """Ask the daemon for a change; None as the name: there is nothing to change."""
        if self.state.read_only:
            self._say("read-only: keys change nothing")
        elif name is None:
            self._say(nothing)
        else:
            self._say(doing)
            self.run_worker(self._changed(doing, ask), exit_on_error=True)

    async def _changed(self, doing: str, ask: Callable[[], Awaitable[object]]) -> None:
        try:
            await ask()
        except InnkeepError as error:
            self._say(error_line(error))
        else:
            self._say(f"{doing}: done")

    def _say(self, text: str) -> None:
        self.state.message = text
        self.draw()
