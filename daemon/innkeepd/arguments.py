"""The parser of ``innkeepd``'s verbs: a mistake is one line that says what is wrong and where the help is."""

import argparse
from typing import Any, NoReturn

from innkeep.language import _, translated

WRONG_USAGE = 2
"""The exit status."""


class Parser(argparse.ArgumentParser):
    """Without the usage of several lines that argparse puts before each mistake."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(add_help=False, **settings)
        self._positionals.title, self._optionals.title = _("arguments"), _("options")
        self.add_argument("-h", "--help", action="help", help=_("print this help"))

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        text = _("{message}; see `{prog} --help`", message=translated(message), prog=self.prog)
        self.exit(WRONG_USAGE, f"innkeepd: {text}\n")
