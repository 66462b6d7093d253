"""The way from a command line to the daemon, and to the verb's own module: light, so that ``status`` starts fast."""

import importlib
import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from argparse import Namespace
    from types import ModuleType

    from innkeep.blocking import Client
    from innkeep.cli.arguments import Verb


def load_verb(verb: str) -> "Verb":
    """The module of ``verb``."""
    return cast("Verb", importlib.import_module(f"innkeep.cli.{verb}"))


def import_msgspec() -> None:
    """Import msgspec without typing_extensions, which it can do without and takes where it is installed.

    That would cost a fifth of the start of ``innkeep status``, for types that no message has.
    """
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = cast("ModuleType", None)  # an import of it now raises ImportError
    try:
        importlib.import_module("msgspec")
    finally:
        del sys.modules["typing_extensions"]


def open_client(args: "Namespace") -> "Client":
    """A blocking client of the socket that the command line names."""
    from innkeep.blocking import Client  # brings msgspec: not for --help

    return Client(socket=args.socket)
