"""The way from a command line to the daemon, and to the verb's own module: light, so that ``status`` starts fast."""

import importlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from argparse import Namespace

    from innkeep.blocking import Client
    from innkeep.cli.arguments import Verb


def load_verb(verb: str) -> "Verb":
    """The module of ``verb``."""
    return cast("Verb", importlib.import_module(f"innkeep.cli.{verb}"))


def open_client(args: "Namespace") -> "Client":
    """A blocking client of the socket that the command line names."""
    from innkeep.blocking import Client  # brings msgspec: not for --help

    return Client(socket=args.socket)
