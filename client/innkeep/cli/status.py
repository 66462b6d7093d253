"""``innkeep status``: one snapshot."""

import time
from typing import TYPE_CHECKING

from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EXAMPLES = (
    "innkeep status",
    "innkeep status --json | jq '.resident[].name'",
)


def add_arguments(parser: "ArgumentParser") -> None:
    """``-l``."""
    parser.add_argument("-l", "--long", action="store_true", help=_("every column, however wide"))


def run(args: "Namespace", terminal: Terminal) -> int:
    """Ask for the snapshot and print it."""
    with open_client(args) as client:
        status = client.status()
    if args.json:
        terminal.print_json(status)
    else:
        from innkeep.cli.render import status_text  # not for --json

        terminal.say(status_text(status, time.time(), terminal.paint, terminal.table_width(long=args.long)))
    return OK
