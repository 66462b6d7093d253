"""``innkeep feedback ID ROLE``."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.arguments import ROLES
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.past import find_record
from innkeep.cli.terminal import Terminal
from innkeep.language import _

EXAMPLES = (
    "innkeep feedback last reasoning",
    "innkeep feedback 3f9a coding",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``ID`` (or ``last``) and ``ROLE``."""
    parser.add_argument("request", metavar="ID", help=_("a request of `innkeep history`, or last"))
    parser.add_argument("role", metavar="ROLE", choices=ROLES, help=_("the role that it should have had"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Keep the correction."""
    with open_client(args) as client:
        noted = client.feedback(find_record(client, args.request).id, args.role)
    if args.json:
        terminal.print_json(noted)
    else:
        terminal.say(_("noted: {request} should have been {role}", request=noted.request, role=args.role))
        if not noted.teaches:
            terminal.print_error(
                _("`innkeep routing train` can't learn from it: the router holds nothing of that request")
            )
    if noted.warning:
        terminal.print_error(noted.warning)
    return OK
