"""``innkeep explain ID``: everything about one past request."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.past import find_record
from innkeep.cli.terminal import Terminal
from innkeep.language import _

EXAMPLES = (
    "innkeep explain last",
    "innkeep explain 3f9a",
    "innkeep explain last --json",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``ID`` or ``last``."""
    parser.add_argument(
        "request",
        metavar="ID",
        help=_("a request of `innkeep history`, or last"),
    )


def run(args: Namespace, terminal: Terminal) -> int:
    """Print its decision record."""
    with open_client(args) as client:
        record = find_record(client, args.request)
    if args.json:
        terminal.print_json(record)
    else:
        from innkeep.cli.record import explain_text  # not for --json

        terminal.say(explain_text(record, terminal.paint))
    return OK
