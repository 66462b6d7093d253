"""``innkeep shutdown``."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.arguments import duration_argument
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.cli.units import seconds
from innkeep.errors import ConnectionLost
from innkeep.language import _

EXAMPLES = (
    "innkeep shutdown",
    "innkeep shutdown --drain 5s",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``--drain``."""
    parser.add_argument(
        "--drain",
        type=duration_argument,
        metavar="DURATION",
        help=_("give running answers so long at most (default: the configuration's)"),
    )


def run(args: Namespace, terminal: Terminal) -> int:
    """Ask the daemon to leave; loaded models stay in Ollama until their time is up."""
    with open_client(args) as client:
        try:
            stopping = client.shutdown(drain=args.drain)
        except ConnectionLost:  # an older daemon leaves before it has answered; a crashed one is gone as well
            if args.json:
                terminal.print_json({"type": "stopping", "drain": 0.0})
            else:
                terminal.say(_("innkeepd is gone"))
            return OK
    if args.json:
        terminal.print_json(stopping)
    else:
        terminal.say(_("innkeepd stops; running answers have at most {drain}", drain=seconds(stopping.drain)))
    return OK
