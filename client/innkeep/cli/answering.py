"""One answer on its way to the screen: progress while it waits, then its pieces, then what it took."""

from argparse import Namespace
from collections.abc import Iterable
from functools import partial
from time import monotonic
from typing import Any

from innkeep import wire
from innkeep.cli.progress import Progress
from innkeep.cli.render import done_line, failed_over_line, routed_line
from innkeep.cli.terminal import Terminal
from innkeep.cli.units import seconds, whole_seconds
from innkeep.cli.waiting import loading_line, reading_line, waiting_line
from innkeep.language import _, translated

WIDE = 10_000
"""Cells of a line that is kept, not redrawn: it may wrap."""


class AnswerPrinter:
    """Prints an answer; feed it every reply in order.

    ``shows_thinking`` prints thinking to standard error; otherwise it is only counted on the progress line.
    ``verbose`` keeps a line on standard error for each step; ``quiet`` prints the answer and errors alone.
    """

    def __init__(
        self,
        terminal: Terminal,
        progress: Progress,
        *,
        shows_thinking: bool = False,
        verbose: bool = False,
        quiet: bool = False,
    ) -> None:
        self.terminal = terminal
        self.progress = progress
        self.shows_thinking = shows_thinking
        self.verbose = verbose
        self.quiet = quiet
        self.text: list[str] = []
        self.done: wire.Done | None = None
        self._step = ""
        self._waits_since: float | None = None
        self._thought_since: float | None = None
        self._thinking_shown = False

    def print_all(self, replies: Iterable[wire.Reply]) -> None:
        """Print every reply; what the iterator raises goes on, after the screen is in order."""
        try:
            for reply in replies:
                self.take(reply)
        finally:
            self.progress.clear()
            self._end_line()

    def take(self, reply: wire.Reply) -> None:
        """Print one reply."""
        match reply:
            case wire.Routed():
                self._keep(routed_line(reply), f"route {reply.model}")
                self.progress.show(routed_line(reply), topic=f"ask {reply.model}")
            case wire.Waiting():
                self._keep(waiting_line(reply, 0.0, WIDE), f"wait {reply.position} {reply.answering} {reply.until}")
                self._waits_since = self._waits_since or monotonic()
                line = partial(waiting_line, reply, waited=monotonic() - self._waits_since)
                self.progress.show(line, topic=f"wait {reply.position} {reply.reason}")
            case wire.Loading():
                self._keep(loading_line(reply, 0.0, WIDE), f"load {reply.model} {reply.unloading}")
                self.progress.show(partial(loading_line, reply), topic=f"load {reply.model}")
            case wire.Started():
                self._take_start(reply)
            case wire.Delta():
                self._take_delta(reply)
            case wire.Done():
                self._take_end(reply)

    def _keep(self, line: str, step: str) -> None:
        """With ``verbose``: print the line of a step once."""
        if self.verbose and step != self._step:
            self._step = step
            self.progress.clear()
            self.terminal.print_dim(f"{line}\n")

    def _take_start(self, started: wire.Started) -> None:
        if (line := failed_over_line(started)) and not self.quiet:
            self.progress.clear()
            self.terminal.print_error(line)
        self._keep(_("{model} has the request", model=started.model), f"start {started.attempt}")
        self.progress.show(partial(reading_line, started.model), topic=f"start {started.attempt}")

    def _take_delta(self, delta: wire.Delta) -> None:
        if delta.thinking:
            self._think(delta.thinking)
        if delta.text:
            self._speak(delta.text)
        if delta.tool_calls:
            self.progress.clear()
            self.terminal.print_error(
                _("the model asks for {tool_calls} tool calls; --json shows them", tool_calls=len(delta.tool_calls))
            )

    def _think(self, thinking: str) -> None:
        if self.shows_thinking:
            self.progress.clear()
            self.terminal.print_dim(thinking)
            self._thinking_shown = True
            return
        now = monotonic()
        self._thought_since = self._thought_since or now
        if not self.text:
            self.progress.show(_("thinking, {time}", time=whole_seconds(now - self._thought_since)), topic="think")

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
        if self.done.finish_reason == "length" and not self.quiet:
            self.terminal.print_error(_("answer truncated at the token limit; ask it to continue"))
        if self.verbose or (self.terminal.shows_err and self.terminal.shows_out and not self.quiet):
            self.terminal.print_dim(f"({done_line(self.done)})\n")
        if self.verbose and len(self.done.attempts) > 1:
            for attempt in self.done.attempts:
                self.terminal.print_dim(f"  {_attempt_line(attempt)}\n")


def _attempt_line(attempt: wire.AttemptRecord) -> str:
    why = f" ({attempt.code}: {translated(attempt.message or '')})" if attempt.code else ""
    took = _(" after {seconds}", seconds=seconds(attempt.seconds)) if attempt.seconds else ""
    return f"{attempt.model} {_(attempt.outcome).replace('_', ' ')}{took}{why}"


def chat_settings(args: Namespace) -> dict[str, Any]:
    """The keyword arguments of ``Client.chat`` that the options of ``add_chat_arguments`` name."""
    return {
        "model": args.model,
        "fallbacks": args.fallbacks,
        "role": args.role,
        "options": dict(args.options) or None,
        "format": args.format,
        "think": args.think,
        "priority": args.priority,
        "patience": args.patience,
        "deadline": args.deadline,
        "session": args.session,
    }
