"""``innkeep stats --routing``: what routing would have changed for chats that name their model."""

from argparse import ArgumentParser, Namespace

from innkeep import wire
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK, UsageError
from innkeep.cli.terminal import Terminal
from innkeep.language import _, later

EXAMPLES = (
    "innkeep stats --routing",
    "innkeep stats --routing --json",
)

OFF = later("shadow routing is off; write `shadow = true` under [routing] in the configuration")


def add_arguments(parser: ArgumentParser) -> None:
    """``--routing``."""
    parser.add_argument("--routing", action="store_true", help=_("where chats that name a model would have gone"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Ask for the counts and print them."""
    if not args.routing:
        raise UsageError(_("say which: --routing"))
    with open_client(args) as client:
        stats = client.stats()
    if args.json:
        terminal.print_json(stats)
    else:
        terminal.say(stats_text(stats))
    return OK


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
