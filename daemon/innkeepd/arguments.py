"""The parser of ``innkeepd``'s verbs: a mistake is one line that says what is wrong and where the help is."""

import argparse
from typing import NoReturn

WRONG_USAGE = 2
"""The exit status."""


class Parser(argparse.ArgumentParser):
    """Without the usage of several lines that argparse puts before each mistake."""

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        self.exit(WRONG_USAGE, f"innkeepd: {message}; see `{self.prog} --help`\n")
