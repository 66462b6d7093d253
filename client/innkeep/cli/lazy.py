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


GREETING = 5.0
"""Seconds that the daemon has to answer a greeting, for a command that itself takes milliseconds."""

PATIENT_GREETING = 45.0
"""The same for commands that wait for a model: a restart drains answers (20 s), launchd waits 10 s between starts."""


def open_client(args: "Namespace", greet_within: float = GREETING) -> "Client":
    """A blocking client of the socket that the command line names."""
    from innkeep.blocking import Client  # brings msgspec: not for --help

    verb = getattr(args, "verb", "")
    return Client(socket=args.socket, name=f"innkeep {verb}".strip(), greet_within=greet_within)
