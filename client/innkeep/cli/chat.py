"""``innkeep chat``: a conversation in the terminal."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from innkeep.cli.chat_arguments import add_chat_arguments
from innkeep.cli.lazy import PATIENT_GREETING, open_client
from innkeep.cli.outcome import OK, UsageError, error_line
from innkeep.cli.terminal import Terminal
from innkeep.errors import InnkeepError

if TYPE_CHECKING:
    from innkeep.blocking import Client
    from innkeep.cli.answering import AnswerPrinter
    from innkeep.cli.conversation_commands import Talk
    from innkeep.wire import Reply

EXAMPLES = (
    "innkeep chat",
    "innkeep chat --role coding",
    'innkeep chat --model llama3.1:8b --system "answer in Korean"',
    "printf 'hello\\nand now shorter\\n' | innkeep chat",
)


def add_arguments(parser: ArgumentParser) -> None:
    """The options of ``ask`` that make sense for every turn."""
    add_chat_arguments(parser)


def run(args: Namespace, terminal: Terminal, read: Callable[[str], str] | None = None) -> int:
    """Talk until Ctrl-D or ``/exit``. Ctrl-C stops the answer, not the conversation. ``read(prompt)`` gives a line."""
    from innkeep.cli.conversation_commands import Talk  # brings msgspec: not for --help

    if args.fallbacks and args.model is None:
        raise UsageError("--fallback needs --model; a role's fallbacks are in the configuration")
    talk = Talk(system=args.system, model=args.model, role=args.role)
    # One session: "and now in Rust" stays with the coder, and nobody takes the model away between two quick turns.
    args.session = args.session or f"chat-{os.urandom(4).hex()}"
    at_terminal = sys.stdin.isatty() and terminal.shows_out
    read = read or (_terminal_reader() if at_terminal else _line_reader())
    if at_terminal:
        terminal.note("/help lists the commands; Ctrl-C stops an answer, Ctrl-D leaves")
    with open_client(args, PATIENT_GREETING) as client:
        client.ping()  # an absent daemon is told before the first line is typed
        while not talk.over:
            line = _next_line(read, terminal)
            if line is None:
                break
            if line.startswith("/"):
                terminal.note(talk.obey(line))
            elif line:
                _turn(client, talk, line, args, terminal, goes_on=at_terminal)
    return OK


def _next_line(read: Callable[[str], str], terminal: Terminal) -> str | None:
    r"""The next thing said, lines that end with ``\`` joined; None at the end. Ctrl-C drops what was being typed."""
    said: list[str] = []
    while True:
        try:
            line = read("... " if said else ">>> ")
        except EOFError:
            return None
        except KeyboardInterrupt:
            terminal.note("")
            said.clear()
            continue
        if not line.endswith("\\"):
            return "\n".join([*said, line]).strip()
        said.append(line[:-1])


def _turn(client: "Client", talk: "Talk", line: str, args: Namespace, terminal: Terminal, *, goes_on: bool) -> None:
    """One question and its answer. What a stopped answer had said stays said; a question without any is taken back.

    An error is told and the conversation ``goes_on``, or it is raised.
    """
    from innkeep.cli.answering import AnswerPrinter, chat_settings
    from innkeep.cli.progress import Progress
    from innkeep.wire import Message

    talk.messages.append(Message("user", line))
    settings = chat_settings(args) | {"model": talk.model, "role": talk.role}
    if talk.model != args.model:
        settings["fallbacks"] = None
    with Progress(terminal, silent=args.json) as progress:
        printer = AnswerPrinter(terminal, progress, shows_thinking=args.think is True)
        try:
            with client.chat(talk.spoken(), **settings) as answer:
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
            terminal.print_error(error_line(error))
    if printer.text:
        talk.messages.append(Message("assistant", "".join(printer.text)))
    else:
        talk.messages.pop()


def _print_json(replies: "Iterable[Reply]", printer: "AnswerPrinter", terminal: Terminal) -> None:
    from innkeep.wire import Delta

    for reply in replies:
        terminal.print_json(reply)
        if isinstance(reply, Delta) and reply.text:
            printer.text.append(reply.text)


def _terminal_reader() -> Callable[[str], str]:
    """``input`` with line editing and history, where Python has readline."""
    with suppress(ImportError):
        import readline  # noqa: F401  # importing it is what gives input() its keys
    return input


def _line_reader() -> Callable[[str], str]:
    """Lines of a pipe, without a prompt."""

    def read(_: str) -> str:
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    return read
