"""``innkeep pin MODEL``."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.arguments import model_name
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

EXAMPLES = ("innkeep pin llama3.1:8b",)


def add_arguments(parser: ArgumentParser) -> None:
    """``MODEL``."""
    parser.add_argument(
        "model", metavar="MODEL", type=model_name, help=_("keep this model loaded until it is unpinned")
    )


def run(args: Namespace, terminal: Terminal) -> int:
    """Pin it; the pin survives a restart of the daemon."""
    with open_client(args) as client:
        pinned = client.pin(args.model)
    if args.json:
        terminal.print_json(pinned)
    else:
        terminal.say(_("pinned {model}: once loaded it stays; `innkeep unpin {model}` ends that", model=pinned.model))
    if pinned.warning:
        terminal.print_error(pinned.warning)
    return OK
