"""What a verb imports only when it runs: its own module, and the client with msgspec."""

import importlib
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from innkeep.blocking import Client
    from innkeep.cli.terminal import Terminal


class Verb(Protocol):
    """What a verb's module has."""

    EXAMPLES: tuple[str, ...]

    def add_arguments(self, parser: "ArgumentParser") -> None:
        """Add the verb's own arguments."""

    def run(self, args: "Namespace", terminal: "Terminal") -> int:
        """Run the verb and return the exit status; raises ``InnkeepError`` and ``UsageError``."""


def load_verb(verb: str) -> Verb:
    """The module of ``verb``."""
    return cast("Verb", importlib.import_module(f"innkeep.cli.{verb}"))


def open_client(args: "Namespace") -> "Client":
    """A blocking client of the socket that the command line names."""
    from innkeep.blocking import Client  # brings msgspec: not for --help

    verb = getattr(args, "verb", "")
    return Client(socket=args.socket, name=f"innkeep {verb}".strip())
