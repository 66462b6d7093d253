"""``innkeep unpin MODEL``."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.arguments import model_name
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

EXAMPLES = ("innkeep unpin llama3.1:8b",)


def add_arguments(parser: ArgumentParser) -> None:
    """``MODEL``."""
    parser.add_argument("model", metavar="MODEL", type=model_name, help=_("the model that may leave again"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Take the pin back; the model stays until it is idle or in the way."""
    with open_client(args) as client:
        unpinned = client.unpin(args.model)
    if args.json:
        terminal.print_json(unpinned)
    else:
        terminal.say(_("unpinned {model}", model=unpinned.model))
    if unpinned.warning:
        terminal.print_error(unpinned.warning)
    return OK
