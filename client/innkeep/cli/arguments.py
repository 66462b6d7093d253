"""The parser of one verb, and the types of arguments that several verbs share."""

import argparse
import re
import sys
from typing import Any, NoReturn

from innkeep.cli.lazy import load_verb
from innkeep.cli.outcome import UsageError
from innkeep.cli.overview import exit_statuses
from innkeep.cli.terminal import terminal_width
from innkeep.cli.verbs import VERBS
from innkeep.language import _, later, translated
from innkeep.units import seconds

SOCKET_HELP = later("the daemon's socket")
JSON_HELP = later("print JSON, one object a line")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal; asking for the width here spares argparse's import of shutil (5 ms)."""

    def __init__(self, prog: str, **settings: Any) -> None:
        settings.setdefault("width", min(100, terminal_width(sys.stdout, {}) - 2))
        super().__init__(prog, max_help_position=26, **settings)

    def add_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """The usage, with its first word translated."""
        super().add_usage(usage, actions, groups, _("usage: ") if prefix is None else prefix)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as ``UsageError``."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", Formatter)
        super().__init__(allow_abbrev=False, add_help=False, **settings)
        self._positionals.title, self._optionals.title = _("arguments"), _("options")
        self.add_argument("-h", "--help", action="help", help=_("print this help"))
        self._negative_number_matcher = re.compile(r"-\d")  # -5m is a wrong value, not an unknown option

    def error(self, message: str) -> NoReturn:
        """Raise ``UsageError``."""
        raise UsageError(_("{message}; see `{prog} --help`", message=translated(message), prog=self.prog))


def parser_of(verb: str) -> Parser:
    """The whole parser of ``innkeep VERB``."""
    module = load_verb(verb)
    examples = "\n".join([_("examples:"), *(f"  {example}" for example in module.EXAMPLES)])
    parser = Parser(
        prog=f"innkeep {verb}", description=sentence(_(VERBS[verb])), epilog=f"{examples}\n\n{exit_statuses()}"
    )
    module.add_arguments(parser)
    parser.add_argument("--socket", metavar="PATH", help=_(SOCKET_HELP))
    parser.add_argument("--json", action="store_true", help=_(JSON_HELP))
    return parser


def sentence(line: str) -> str:
    """A one-liner of the table as a sentence."""
    return f"{line[:1].upper()}{line[1:]}."


def model_name(text: str) -> str:
    """A model's name; ``ollama/NAME``, as other tools write it, is NAME."""
    name = text.removeprefix("ollama/").strip()
    if not name:
        raise argparse.ArgumentTypeError(_("a model's name is empty"))
    return name


def duration_argument(text: str) -> float:
    """``90``, ``90s``, ``5m``, ``1h30m``: seconds."""
    try:
        return seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError(_("invalid duration {text!r}; use 90, 90s, 5m or 1h30m", text=text)) from None


def positive_number(text: str) -> int:
    """A whole number of at least 1."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(_("must be 1 or more, not {text}", text=text))
    return int(text)


def add_role(parser: argparse.ArgumentParser, help_text: str) -> None:
    """``--role``."""
    parser.add_argument("-r", "--role", choices=ROLES, help=help_text)


ROLES = ("coding", "reasoning", "general")
"""``innkeep.wire.ROLES``, written out because a parser must not need msgspec; a test keeps them equal."""

PRIORITIES = ("interactive", "agent", "batch")
"""``innkeep.wire.PRIORITIES``, likewise."""
