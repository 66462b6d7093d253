"""``innkeep reload``: the daemon reads its configuration again."""

import os
import signal
import time
from argparse import ArgumentParser, Namespace

from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import FAILURE, OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

EXAMPLES = ("innkeep config check && innkeep reload",)

SETTLES = 0.5
"""Seconds that reading a configuration takes at most, on a slow disk too."""


def add_arguments(parser: ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: Namespace, terminal: Terminal) -> int:
    """Signal the daemon, then tell what waits for a restart and what is wrong; a broken file changes nothing."""
    with open_client(args) as client:
        pid = client.status().pid
        try:
            os.kill(pid, signal.SIGHUP)
        except OSError as error:
            terminal.print_error(
                _(
                    "pid {pid} can't be signalled: {strerror}; `innkeep restart` does it too",
                    pid=pid,
                    strerror=error.strerror,
                )
            )
            return FAILURE
        time.sleep(SETTLES)
        status = client.status()
    if args.json:
        terminal.print_json(
            {"type": "reloaded", "pid": pid, "awaits_restart": status.awaits_restart, "warnings": status.warnings}
        )
        return OK
    terminal.say(_("configuration read again"))
    for table in status.awaits_restart:
        terminal.say(_("[{table}] takes effect at a restart (`innkeep restart`)", table=table))
    for warning in status.warnings:
        terminal.print_error(warning)
    return OK
