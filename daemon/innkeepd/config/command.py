"""``innkeepd config check|path|show``."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from innkeepd.arguments import Parser
from innkeepd.config.load import check, find, load
from innkeepd.config.show import show
from innkeepd.errors import EX_CONFIG, ConfigError


def main(argv: Sequence[str]) -> int:
    """Answer; returns the exit status: 0, or 78 for a wrong configuration."""
    parser = Parser(prog="innkeepd config", description="Check the configuration, show it, or tell where it is.")
    parser.add_argument("what", choices=["check", "path", "show"])
    parser.add_argument("--config", type=Path, help="the file, instead of $INNKEEP_CONFIG or ~/.innkeep/config.toml")
    told = parser.parse_args(argv)
    try:
        if told.what == "path":
            print(find(told.config, os.environ)[0])  # noqa: T201 - the answer
        elif told.what == "show":
            print(show(load(told.config, os.environ)))  # noqa: T201
        else:
            print(check(told.config, os.environ))  # noqa: T201
    except ConfigError as error:
        print(f"innkeepd: {error}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    return 0
