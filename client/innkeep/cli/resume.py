"""``innkeep resume``: end a hold early."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.arguments import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal

EXAMPLES = ("innkeep resume",)


def add_arguments(parser: ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: Namespace, terminal: Terminal) -> int:
    """Allow loads again."""
    with open_client(args) as client:
        resumed = client.resume()
    if args.json:
        terminal.tell_json(resumed)
    else:
        terminal.say("models are loaded again when they are asked")
    return OK
