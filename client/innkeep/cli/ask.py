"""``innkeep ask TEXT``: one question, one answer."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from contextlib import suppress

from innkeep.cli.chat_arguments import add_chat_arguments
from innkeep.cli.lazy import PATIENT_GREETING, open_client
from innkeep.cli.outcome import OK, UsageError
from innkeep.cli.terminal import Terminal
from innkeep.errors import InnkeepError
from innkeep.language import _

EXAMPLES = (
    'innkeep ask "왜 하늘은 파란가?"',
    'git diff | innkeep ask --role coding "review this change"',
    "innkeep ask -f notes.txt -f plan.md compare these",
    "innkeep ask -m qwen2.5vl:7b --image photo.jpg what is this",
    "innkeep ask -v -o temperature=0 --patience 20s hello",
    'innkeep ask --format json "three colours as JSON"',
    "innkeep ask --no-stream --json hello | jq -r .text",
)


def add_arguments(parser: ArgumentParser) -> None:
    """The text, its files and images, and how to answer."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help=_("the question; what is piped in comes after it"))
    parser.add_argument(
        "-f",
        "--file",
        metavar="FILE",
        action="append",
        default=[],
        dest="files",
        help=_("add a text file; - is standard input"),
    )
    parser.add_argument(
        "--image",
        metavar="FILE",
        action="append",
        default=[],
        dest="images",
        help=_("add a picture; may be given again"),
    )
    add_chat_arguments(parser)
    parser.add_argument("--last", action="store_true", help=_("the session's last turn: its model need not be held"))
    parser.add_argument(
        "--no-stream", action="store_false", dest="stream", help=_("print the answer only when it is whole")
    )


def run(args: Namespace, terminal: Terminal) -> int:
    """Ask and print the answer as it comes; ``--json``: every reply, with ``--no-stream`` the last."""
    from innkeep.cli.answering import AnswerPrinter, chat_settings  # bring msgspec: not for --help
    from innkeep.cli.progress import Progress
    from innkeep.cli.prompt import images_of, prompt_text
    from innkeep.wire import Done, Message

    if args.fallbacks and args.model is None:
        raise UsageError(_("--fallback needs --model; a role's fallbacks are in the configuration"))
    question = Message("user", prompt_text(args.text, args.files, terminal), images=images_of(args.images) or None)
    messages = [*([Message("system", args.system)] if args.system else []), question]
    settings = chat_settings(args)
    with (
        open_client(args, PATIENT_GREETING) as client,
        client.chat(messages, last=args.last, stream=args.stream, **settings) as answer,
    ):
        if args.json:
            for reply in answer.replies():
                if args.stream or isinstance(reply, Done):
                    terminal.print_json(reply)
            return OK
        with Progress(terminal, silent=args.quiet) as progress:
            printer = AnswerPrinter(
                terminal, progress, shows_thinking=args.think is True, verbose=args.verbose, quiet=args.quiet
            )
            printer.print_all(answer.replies())
            printer.print_summary()
        if terminal.shows_err and not args.quiet:
            with suppress(InnkeepError):  # the answer is there, and that is what was asked for
                offer_init(client.status().warnings, terminal)
    return OK


def offer_init(warnings: Iterable[str], terminal: Terminal) -> None:
    """Once: say that another model stood in for the roles' own, as the daemon warns, and what to do about it."""
    from innkeep.paths import home

    mark = home(terminal.environ) / "init_offered"
    for warning in warnings:
        if "`innkeep init`" in warning and not mark.exists():
            terminal.print_error(warning)
            with suppress(OSError):
                mark.touch()
