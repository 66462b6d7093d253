"""``innkeep stats``: what a week was spent on, and what routing would have changed for chats that name a model."""

import time
from argparse import ArgumentParser, Namespace

from innkeep import wire
from innkeep.cli.arguments import duration_argument
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK, UsageError
from innkeep.cli.table import columns
from innkeep.cli.terminal import Terminal
from innkeep.cli.units import clock, counted, seconds
from innkeep.language import _, later

EXAMPLES = (
    "innkeep stats --week",
    "innkeep stats --since 24h",
    "innkeep stats --routing",
    "innkeep stats --routing --json",
)

WEEK = 7 * 86400.0

OFF = later("shadow routing is off; write `shadow = true` under [routing] in the configuration")


def add_arguments(parser: ArgumentParser) -> None:
    """``--week``, ``--since`` and ``--routing``."""
    parser.add_argument("--week", action="store_true", help=_("requests, swaps and time lost of the last seven days"))
    parser.add_argument("--since", type=duration_argument, metavar="TIME", help=_("the same of the last 90m, 24h, 7d"))
    parser.add_argument("--routing", action="store_true", help=_("where chats that name a model would have gone"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Ask for the counts and print them. Raises ``UsageError`` where nothing is asked for."""
    span = WEEK if args.week else args.since
    if span is None and not args.routing:
        raise UsageError(_("say which: --week, --since TIME or --routing"))
    with open_client(args) as client:
        stats = client.stats(since=None if span is None else time.time() - span)
    if args.json:
        terminal.print_json(stats)
        return OK
    texts = [] if stats.totals is None else [totals_text(stats.totals, terminal.table_width())]
    terminal.say("\n\n".join([*texts, *([stats_text(stats)] if args.routing else [])]))
    return OK


def totals_text(totals: wire.Totals, cells: int | None = None) -> str:
    """Requests, swaps, what turns saved, then a table by role and model."""
    if not totals.requests and not totals.swaps:
        return _("no request since {time}", time=clock(totals.since))
    lines = [
        _("since {time}: {requests}", time=clock(totals.since), requests=counted(totals.requests, "request")),
        _(
            "swaps: {swaps}, {time} lost to them",
            swaps=totals.swaps,
            time=seconds(totals.swap_seconds),
        ),
        _(
            "saved by turns: {saved} swaps, about {time} (the order of arrival: {arrival} swaps)",
            saved=totals.saved_swaps,
            time=seconds(totals.saved_seconds),
            arrival=totals.arrival_swaps,
        ),
    ]
    rows = [
        [
            row.role,
            row.model,
            str(row.requests),
            str(row.failed or "-"),
            seconds(row.waited_seconds),
            seconds(row.swap_seconds),
            str(row.tokens or "-"),
        ]
        for row in totals.rows
        if row.role
    ]
    heads = ["ROLE", "MODEL", "REQUESTS", "FAILED", "WAITED", "FOR SWAPS", "TOKENS"]
    if rows:
        lines += ["", *columns(heads, rows, right={"REQUESTS", "FAILED", "WAITED", "FOR SWAPS", "TOKENS"}, cells=cells)]
    swaps = [[row.model, str(row.swaps), seconds(row.swap_seconds)] for row in totals.rows if not row.role]
    if swaps:
        lines += ["", *columns(["SWAPS TO", "COUNT", "TOOK"], swaps, right={"COUNT", "TOOK"}, cells=cells)]
    return "\n".join(lines)


def stats_text(stats: wire.Stats) -> str:
    """A line a model and role, the most frequent first."""
    total = sum(row.chats for row in stats.routing)
    if not total:
        return _("no chat has named its model yet") if stats.shadow else _(OFF)
    moved = sum(row.chats for row in stats.routing if row.model != row.would)
    lines = [_("{moved} of {total} chats that named a model would have gone elsewhere", moved=moved, total=total)]
    for row in sorted(stats.routing, key=lambda row: -row.chats):
        where = _("stays") if row.model == row.would else f"-> {row.would}"
        lines.append(f"  {row.chats:5}  {row.model} {where} ({row.role})")
    return "\n".join(lines if stats.shadow else [*lines, _(OFF)])
