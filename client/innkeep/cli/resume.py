"""``innkeep resume``: end a hold early."""

from typing import TYPE_CHECKING

from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EXAMPLES = ("innkeep resume",)


def add_arguments(parser: "ArgumentParser") -> None:
    """No arguments of its own."""


def run(args: "Namespace", terminal: Terminal) -> int:
    """Allow loads again."""
    with open_client(args) as client:
        resumed = client.resume()
    if args.json:
        terminal.print_json(resumed)
    else:
        terminal.say(_("hold ended; models load on demand") if resumed.was_held else _("there is no hold"))
    if resumed.warning:
        terminal.print_error(resumed.warning)
    return OK
