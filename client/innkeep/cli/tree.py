"""Every verb's parser as plain data, for the completion scripts and the page of commands."""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from innkeep.cli.arguments import JSON_HELP, SOCKET_HELP, parser_of
from innkeep.cli.lazy import load_verb
from innkeep.cli.verbs import DELEGATED, VERBS


class Argument(NamedTuple):
    """One argument: ``flags`` is empty for a positional one, ``value`` for a switch."""

    flags: tuple[str, ...]
    value: str
    choices: tuple[str, ...]
    many: bool
    help: str
    optional: bool = False


class Command(NamedTuple):
    """One verb; ``delegated`` ones belong to ``innkeepd`` and only their first words are known here."""

    name: str
    line: str
    arguments: tuple[Argument, ...]
    examples: tuple[str, ...]
    delegated: bool


def commands() -> Iterator[Command]:
    """Every verb in the order of ``--help``."""
    for name, line in VERBS.items():
        if name in DELEGATED:
            yield Command(name, line, _delegated_arguments(name), (), delegated=True)
        else:
            yield Command(name, line, _arguments_of(name), load_verb(name).EXAMPLES, delegated=False)


def _delegated_arguments(name: str) -> tuple[Argument, ...]:
    words = DELEGATED[name]
    action = [Argument((), "ACTION", words, many=False, help="see `innkeep " + name + " --help`")] if words else []
    return (
        *action,
        Argument(("--socket",), "PATH", (), many=False, help=SOCKET_HELP),
        Argument(("--json",), "", (), many=False, help=JSON_HELP),
    )


def _arguments_of(name: str) -> tuple[Argument, ...]:
    actions = parser_of(name)._actions  # noqa: SLF001  # argparse has no public way to list them
    return tuple(_argument(action) for action in actions if not isinstance(action, argparse._HelpAction))  # noqa: SLF001


def _argument(action: argparse.Action) -> Argument:
    choices = tuple(str(choice) for choice in action.choices or ())
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    value = "" if action.nargs == 0 else metavar
    repeated = isinstance(action, argparse._AppendAction) or action.nargs in ("*", "+")  # noqa: SLF001
    return Argument(
        tuple(action.option_strings), value, choices, repeated, action.help or "", action.nargs in ("?", "*")
    )
