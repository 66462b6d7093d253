"""``innkeep explain ID``: everything about one past request."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import FAILURE, OK
from innkeep.cli.terminal import Terminal

EXAMPLES = (
    "innkeep explain last",
    "innkeep explain 3f9a",
    "innkeep explain last --json",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``ID`` or ``last``."""
    parser.add_argument(
        "request", metavar="ID", help="a request of `innkeep history`, the beginning of its id, or last"
    )


def run(args: Namespace, terminal: Terminal) -> int:
    """Print its decision record."""
    wanted = None if args.request == "last" else args.request
    with open_client(args) as client:
        records = client.history(limit=1, request=wanted).records
    if not records:
        what = "no request has been answered yet" if wanted is None else f"no request {wanted!r} is known"
        terminal.print_error(f"{what}; `innkeep history` lists them")
        return FAILURE
    if args.json:
        terminal.print_json(records[0])
    else:
        from innkeep.cli.record import explain_text  # not for --json

        terminal.say(explain_text(records[0], terminal.paint))
    return OK
