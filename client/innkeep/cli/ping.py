"""``innkeep ping``: is the daemon there, and how fast does it answer."""

import time
from typing import TYPE_CHECKING

from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EXAMPLES = (
    "innkeep ping",
    "innkeep ping --json",
    "until innkeep ping; do sleep 1; done",
)


def add_arguments(parser: "ArgumentParser") -> None:
    """No arguments of its own."""


def run(args: "Namespace", terminal: Terminal) -> int:
    """Greet the daemon and tell how long its answer took."""
    start = time.perf_counter()
    with open_client(args) as client:
        welcome = client.ping()
    took = time.perf_counter() - start
    if args.json:
        terminal.print_json(
            {
                "type": "welcome",
                "protocol": welcome.protocol,
                "daemon": welcome.daemon,
                "pid": welcome.pid,
                "seconds": took,
            }
        )
    else:
        terminal.say(
            _(
                "innkeepd {daemon} (pid {pid}) answers in {took:.1f} ms",
                daemon=welcome.daemon,
                pid=welcome.pid,
                took=took * 1000,
            )
        )
    return OK
