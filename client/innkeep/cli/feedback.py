"""``innkeep feedback ID ROLE``."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.arguments import ROLES
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import FAILURE, OK
from innkeep.cli.terminal import Terminal

EXAMPLES = (
    "innkeep feedback last reasoning",
    "innkeep feedback 3f9a coding",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``ID`` (or ``last``) and ``ROLE``."""
    parser.add_argument("request", metavar="ID", help="a request of `innkeep history`, or last")
    parser.add_argument("role", metavar="ROLE", choices=ROLES, help="the role that it should have had")


def run(args: Namespace, terminal: Terminal) -> int:
    """Keep the correction."""
    with open_client(args) as client:
        request = args.request
        if request == "last":
            records = client.history(limit=1).records
            if not records:
                terminal.print_error("no request has been answered yet; `innkeep ask` makes one")
                return FAILURE
            request = records[0].id
        noted = client.feedback(request, args.role)
    if args.json:
        terminal.print_json(noted)
    else:
        terminal.say(f"noted: {noted.request} should have been {args.role}")
    if noted.warning:
        terminal.print_error(noted.warning)
    return OK
