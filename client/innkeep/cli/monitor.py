"""``innkeep monitor``: a line each half minute about memory and the queue, for a log."""

import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from innkeep.cli.arguments import duration_argument, positive_number
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

if TYPE_CHECKING:
    from innkeep.wire import Status

EXAMPLES = (
    "innkeep monitor >> memory.log",
    "innkeep monitor --every 5s -n 12",
    "innkeep monitor --json | jq -c '[.memory.pressure, (.resident | map(.name))]'",
)

EVERY = 30.0
LEAST = 1.0
"""Seconds between two lines, at least: whoever wants each change uses ``watch``."""


def add_arguments(parser: ArgumentParser) -> None:
    """``--every`` and ``-n``."""
    parser.add_argument(
        "--every", type=duration_argument, default=EVERY, metavar="TIME", help=_("time between two lines (default 30s)")
    )
    parser.add_argument("-n", "--lines", type=positive_number, metavar="N", help=_("end after so many lines"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Print a line at once and then one each ``--every``, until Ctrl-C or the daemon's end."""
    from innkeep.cli.units import clock  # brings nothing, but only lines need it

    printed = 0
    with open_client(args) as client:
        while True:
            status = client.status()
            if args.json:
                terminal.print_json(status)
            else:
                terminal.say(f"{clock(time.time())}  {status_line(status)}")
            printed += 1
            if printed == args.lines:
                return OK
            time.sleep(max(LEAST, args.every))


def status_line(status: "Status") -> str:
    """A status in one line: models with their bytes, what changes, the queue, memory."""
    from innkeep.cli.units import counted, gib, seconds

    models = [
        f"{one.name} {gib(one.footprint)}"
        + (_(" answers {leases}", leases=one.leases) if one.leases else "")
        + (_(" pinned") if one.pinned else "")
        for one in status.resident
    ]
    models += [f"{_(one.what)} {one.model} {seconds(one.elapsed)}" for one in status.changing]
    memory = status.memory
    facts = [
        ", ".join(models) or _("nothing in memory"),
        _("{waiting} waiting", waiting=len(status.waiting))
        + (f" ({seconds(status.oldest_wait)})" if status.oldest_wait else ""),
        _("{available} of {budget} available", available=gib(memory.available), budget=gib(memory.budget)),
        _("pressure {pressure}", pressure=_(memory.pressure)),
        counted(status.counters.swaps, "swap"),
    ]
    facts += [] if status.backend.reachable else [_("Ollama does not answer")]
    facts += [_("on hold")] if status.held_until is not None else []
    return " | ".join(facts)
