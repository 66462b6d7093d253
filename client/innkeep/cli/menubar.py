"""``innkeep menubar``: the state as a menu for SwiftBar or xbar."""

import sys
import time
from argparse import ArgumentParser, Namespace

from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK, UsageError
from innkeep.cli.terminal import Terminal
from innkeep.errors import InnkeepError

EXAMPLES = (
    "innkeep menubar",
    "printf '#!/bin/sh\\nexec /opt/homebrew/bin/innkeep menubar\\n' > innkeep.10s.sh",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``--command``."""
    parser.add_argument("--command", metavar="PATH", help="the innkeep that entries run (default: this one)")


def run(args: Namespace, terminal: Terminal) -> int:
    """Print the menu; a daemon that is away is a menu too, or the bar would show an error of its own."""
    if args.json:
        raise UsageError("menubar prints the text of SwiftBar and xbar; `innkeep status --json` has the facts")
    command = args.command or _own_path()
    try:
        with open_client(args, greet_within=2.0) as client:
            status = client.status()
    except InnkeepError as error:
        from innkeep.cli.menubar_text import menu_without_daemon  # not where the daemon answers

        terminal.say(menu_without_daemon(error.message, command))
        return OK
    from innkeep.cli.menubar_text import menu  # brings the tables

    terminal.say(menu(status, time.time(), command))
    return OK


def _own_path() -> str:
    """The absolute path of this command: a menu bar runs with hardly any ``$PATH``."""
    import os  # for this verb only

    return os.path.abspath(sys.argv[0])  # noqa: PTH100  # without pathlib: it costs a command 4 ms
