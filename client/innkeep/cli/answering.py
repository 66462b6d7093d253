"""One answer on its way to the screen: progress while it waits, then its pieces, then how it went."""

from argparse import Namespace
from collections.abc import Iterable
from time import monotonic
from typing import Any

from innkeep import wire
from innkeep.cli.progress import Progress
from innkeep.cli.render import done_line, failed_over_line, progress_line
from innkeep.cli.terminal import Terminal
from innkeep.cli.units import whole_seconds


class AnswerPrinter:
    """What has been told of an answer so far; feed it every reply in order.

    ``shows_thinking`` prints thinking to standard error; otherwise it is only counted on the progress line.
    """

    def __init__(self, terminal: Terminal, progress: Progress, *, shows_thinking: bool = False) -> None:
        self.terminal = terminal
        self.progress = progress
        self.shows_thinking = shows_thinking
        self.text: list[str] = []
        self.done: wire.Done | None = None
        self._waiting: wire.Waiting | None = None
        self._loading: wire.Loading | None = None
        self._thought_since: float | None = None
        self._thinking_shown = False

    def print_all(self, replies: Iterable[wire.Reply]) -> None:
        """Tell every reply; what the iterator raises goes on, after the screen is in order."""
        try:
            for reply in replies:
                self.take(reply)
        finally:
            self.progress.clear()
            self._end_line()

    def take(self, reply: wire.Reply) -> None:
        """Tell one reply."""
        match reply:
            case wire.Routed():
                self.progress.show(f"asking {reply.model} ({reply.role}: {reply.reason})", topic=f"ask {reply.model}")
            case wire.Waiting():
                self._waiting = reply
                self._show_progress(f"wait {reply.position} {reply.reason}")
            case wire.Loading():
                self._loading = reply
                self._show_progress(f"load {reply.model}")
            case wire.Started():
                self._take_start(reply)
            case wire.Delta():
                self._take_delta(reply)
            case wire.Done():
                self._take_end(reply)

    def _show_progress(self, topic: str) -> None:
        shorter = progress_line(None, self._loading)
        self.progress.show(progress_line(self._waiting, self._loading), topic=topic, shorter=shorter)

    def _take_start(self, started: wire.Started) -> None:
        self._waiting = self._loading = None
        if line := failed_over_line(started):
            self.progress.clear()
            self.terminal.print_error(line)
        self.progress.show(f"{started.model} reads the prompt", topic=f"start {started.attempt}")

    def _take_delta(self, delta: wire.Delta) -> None:
        if delta.thinking:
            self._think(delta.thinking)
        if delta.text:
            self._speak(delta.text)
        if delta.tool_calls:
            self.progress.clear()
            self.terminal.print_error(f"the model asks for {len(delta.tool_calls)} tool calls; --json shows them")

    def _think(self, thinking: str) -> None:
        if self.shows_thinking:
            self.progress.clear()
            self.terminal.print_dim(thinking)
            self._thinking_shown = True
            return
        now = monotonic()
        self._thought_since = self._thought_since or now
        if not self.text:
            self.progress.show(f"thinking, {whole_seconds(now - self._thought_since)}", topic="think")

    def _speak(self, text: str) -> None:
        if not self.text:
            self.progress.clear()
            if self._thinking_shown:
                self.terminal.print_dim("\n\n")
        self.text.append(text)
        self.terminal.write(text)

    def _take_end(self, done: wire.Done) -> None:
        self.done = done
        if done.thinking and not self._thinking_shown and self.shows_thinking:
            self._think(done.thinking)
        if done.text and not self.text:
            self._speak(done.text)

    def _end_line(self) -> None:
        if self.text and not self.text[-1].endswith("\n"):
            self.terminal.write("\n")

    def print_summary(self) -> None:
        """Say what a person should know of a finished answer: that it was cut, and on a terminal what it took."""
        if self.done is None:
            return
        if self.done.finish_reason == "length":
            self.terminal.print_error(
                "the answer was cut at the model's limit of tokens; ask it to go on, or ask for less"
            )
        if self.terminal.shows_err and self.terminal.shows_out:
            line = done_line(self.done)
            self.terminal.print_dim(f"{line}\n")


def chat_settings(args: Namespace) -> dict[str, Any]:
    """The keyword arguments of ``Client.chat`` that the options of ``add_chat_arguments`` name."""
    return {
        "model": args.model,
        "fallbacks": args.fallbacks,
        "role": args.role,
        "think": args.think,
        "priority": args.priority,
        "patience": args.patience,
        "deadline": args.deadline,
        "session": args.session,
    }
