"""``innkeep hold DURATION``: give me my Mac back."""

import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from innkeep.cli.arguments import duration_argument
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK, UsageError
from innkeep.cli.progress import Progress
from innkeep.cli.terminal import Terminal
from innkeep.cli.units import clock, seconds, whole_seconds
from innkeep.language import _

EXAMPLES = (
    "innkeep hold 30m",
    'innkeep hold 1h30m --why "video call"',
    "innkeep resume",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``DURATION`` and ``--why``."""
    parser.add_argument("duration", metavar="DURATION", nargs="+", help=_("how long: 90s, 30m, 1h30m"))
    parser.add_argument("--why", metavar="TEXT", default="", help=_("the reason, shown to everybody who waits"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Wait for running answers, unload everything, and load nothing until the time is up."""
    try:
        length = duration_argument("".join(args.duration))
    except ArgumentTypeError as fault:
        raise UsageError(str(fault)) from None
    if length <= 0:
        raise UsageError(_("a hold lasts longer than 0 s; `innkeep resume` ends one"))
    with open_client(args) as client, Progress(terminal, silent=args.json) as progress:
        progress.show(
            lambda since, _cells: _(
                "waiting for running answers, unloading everything, {since}", since=whole_seconds(since)
            )
        )
        held = client.hold(length, why=args.why)
    if args.json:
        terminal.print_json(held)
    else:
        left = seconds(max(0.0, held.until - time.time()))
        why = f' ("{held.why}")' if held.why else ""
        terminal.say(
            _(
                "on hold{why} for {left}, until {until}; `innkeep resume` ends it",
                why=why,
                left=left,
                until=clock(held.until),
            )
        )
    if held.warning:
        terminal.print_error(held.warning)
    return OK
