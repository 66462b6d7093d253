"""``innkeep chat``: a conversation in the terminal."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING

from innkeep.cli.chat_arguments import add_chat_arguments
from innkeep.cli.lazy import PATIENT_GREETING, open_client
from innkeep.cli.outcome import OK, UsageError, error_line
from innkeep.cli.terminal import Terminal
from innkeep.errors import InnkeepError
from innkeep.language import _
from innkeep.paths import home

if TYPE_CHECKING:
    from innkeep.blocking import Client
    from innkeep.cli.answering import AnswerPrinter
    from innkeep.cli.chat_commands import ChatState
    from innkeep.wire import Reply

EXAMPLES = (
    "innkeep chat",
    "innkeep chat --role coding",
    'innkeep chat --model llama3.1:8b --system "answer in Korean"',
    "printf 'hello\\nand now shorter\\n' | innkeep chat",
)


QUOTES = '"""'
"""Begins and ends a text of several lines, as in Ollama's own command."""


def add_arguments(parser: ArgumentParser) -> None:
    """The options of ``ask`` that make sense for every turn."""
    add_chat_arguments(parser)


def run(args: Namespace, terminal: Terminal, read: Callable[[str], str] | None = None) -> int:
    """Talk until Ctrl-D or ``/exit``. Ctrl-C stops the answer, not the conversation. ``read(prompt)`` gives a line."""
    from innkeep.cli.chat_commands import ChatState  # brings msgspec: not for --help

    if args.fallbacks and args.model is None:
        raise UsageError(_("--fallback needs --model; a role's fallbacks are in the configuration"))
    # One session: "and now in Rust" stays with the coder, and nobody takes the model away between two quick turns.
    args.session = args.session or f"chat-{os.urandom(4).hex()}"
    at_terminal = sys.stdin.isatty() and terminal.shows_out
    with open_client(args, PATIENT_GREETING) as client:
        client.ping()  # an absent daemon is told before the first line is typed
        names = partial(_names, client)
        state = ChatState(system=args.system, model=args.model, role=args.role, names=names)
        reader = _Reader(terminal, read, names, at_terminal=at_terminal)
        try:
            while not state.over and (line := reader.next()) is not None:
                if line.startswith("/"):
                    if answer := state.obey(line):
                        terminal.note(answer)
                    line, state.again = state.again, None
                if line:
                    _turn(client, state, line, args, terminal, goes_on=at_terminal)
        finally:
            reader.close()
    return OK


def _names(client: "Client") -> list[str]:
    """The models' names, for Tab; none where they can't be had."""
    try:
        return [model.name for model in client.models().models]
    except InnkeepError:
        return []


class _Reader:
    """What a person says next: from a terminal with history and Tab, from a pipe, or from a test's ``read``."""

    def __init__(
        self,
        terminal: Terminal,
        read: Callable[[str], str] | None,
        names: Callable[[], Collection[str]],
        *,
        at_terminal: bool,
    ) -> None:
        self._terminal = terminal
        self._history = None
        self._more: Callable[[], bool] = lambda: False
        if read is None and at_terminal:
            from innkeep.cli.line_editor import more_is_typed, terminal_reader  # readline is slow to import

            self._history, self._more = home() / "chat_history", more_is_typed
            read = terminal_reader(self._history, names)
            terminal.note(_('/help lists the commands; """ begins and ends several lines; Ctrl-D leaves'))
        self._read = read or _line_reader()

    def next(self) -> str | None:
        """The next text; None at the end. Ctrl-C drops what was being typed.

        Lines belong together that end with a backslash, that stand between two ``QUOTES``, that a paste brings at once.
        """
        said: list[str] = []
        quoted = False
        while True:
            try:
                line = self._read("... " if said or quoted else ">>> ")
            except EOFError:
                self._end_line()
                return None
            except KeyboardInterrupt:
                self._terminal.note("")
                said.clear()
                quoted = False
                continue
            if line.lstrip().startswith(QUOTES) and not quoted and not said:
                quoted, line = True, line.lstrip().removeprefix(QUOTES)
            if quoted and line.rstrip().endswith(QUOTES):
                quoted, line = False, line.rstrip().removesuffix(QUOTES)
                return "\n".join([*said, line]).strip()
            goes_on = line.endswith("\\") and not quoted
            said.append(line[:-1] if goes_on else line)
            if not (goes_on or quoted or self._more()):
                return "\n".join(said).strip()

    def _end_line(self) -> None:
        """Ctrl-D leaves the cursor behind the prompt."""
        if self._history is not None:
            self._terminal.note("")

    def close(self) -> None:
        """Keep the history."""
        if self._history is not None:
            from innkeep.cli.line_editor import save_history

            save_history(self._history)


def _turn(
    client: "Client", state: "ChatState", line: str, args: Namespace, terminal: Terminal, *, goes_on: bool
) -> None:
    """One question and its answer. What a stopped answer had said stays said; a question without any is taken back.

    An error is told and the conversation ``goes_on``, or it is raised.
    """
    from innkeep.cli.answering import AnswerPrinter, chat_settings
    from innkeep.cli.progress import Progress
    from innkeep.wire import Message

    state.messages.append(Message("user", line))
    settings = chat_settings(args) | {"model": state.model, "role": state.role}
    if state.model != args.model:
        settings["fallbacks"] = None
    with Progress(terminal, silent=args.json or args.quiet) as progress:
        printer = AnswerPrinter(
            terminal, progress, shows_thinking=args.think is True, verbose=args.verbose, quiet=args.quiet
        )
        try:
            with client.chat(state.spoken(), **settings) as answer:
                if args.json:
                    _print_json(answer.replies(), printer, terminal)
                else:
                    printer.print_all(answer.replies())
                    printer.print_summary()
        except KeyboardInterrupt:
            terminal.note("stopped")
        except InnkeepError as error:
            if not goes_on:
                raise
            hint = _("; /reset forgets the conversation") if error.code == "context_overflow" else ""
            terminal.print_error(error_line(error) + hint)
    if printer.text:
        state.messages.append(Message("assistant", "".join(printer.text)))
    else:
        state.messages.pop()


def _print_json(replies: "Iterable[Reply]", printer: "AnswerPrinter", terminal: Terminal) -> None:
    from innkeep.wire import Delta

    for reply in replies:
        terminal.print_json(reply)
        if isinstance(reply, Delta) and reply.text:
            printer.text.append(reply.text)


def _line_reader() -> Callable[[str], str]:
    """Lines of a pipe, without a prompt."""

    def read(_: str) -> str:
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    return read
