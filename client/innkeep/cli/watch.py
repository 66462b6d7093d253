"""``innkeep watch``: what happens, as it happens."""

import time
from argparse import ArgumentParser, Namespace

from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

EXAMPLES = (
    "innkeep watch",
    "innkeep watch --kind residency --kind memory",
    "innkeep watch --json | jq -c 'select(.kind == \"request\")'",
)

KINDS = ("residency", "request", "memory", "backend", "log")


def add_arguments(parser: ArgumentParser) -> None:
    """``--kind``."""
    parser.add_argument(
        "--kind", action="append", choices=KINDS, dest="kinds", help=_("only this kind of event; may be given again")
    )


def run(args: Namespace, terminal: Terminal) -> int:
    """Print the snapshot, then a line an event, until Ctrl-C or the daemon's end."""
    from innkeep.cli.render import event_line, status_text  # brings msgspec: not for --help
    from innkeep.wire import Event, Status

    with open_client(args) as client:
        for reply in client.watch(args.kinds):
            if args.json:
                terminal.print_json(reply)
            elif isinstance(reply, Status):
                terminal.say(status_text(reply, time.time(), terminal.paint, terminal.table_width()) + "\n")
            elif isinstance(reply, Event):
                terminal.say(event_line(reply, terminal.paint))
    return OK
