"""``innkeep history``: past requests, as a table, as JSON or as a trace."""

import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from innkeep.cli.arguments import duration_argument, model_name, positive_number
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

if TYPE_CHECKING:
    from innkeep.wire import DecisionRecord

EXAMPLES = (
    "innkeep history",
    "innkeep history -n 100 --json | jq -r .model | sort | uniq -c",
    "innkeep history --since 24h --slow 20s",
    "innkeep history --model qwen2.5-coder:32b --outcome failed",
    "innkeep history --trace > today.jsonl",
)

SHOWN = 20
TRACED = 10_000
LOOKED_AT = 1000
"""Newest records among which a filter looks: as many as the daemon gives in one answer."""


def add_arguments(parser: ArgumentParser) -> None:
    """``-n``, ``-l``, ``--trace`` and the filters."""
    parser.add_argument(
        "-n",
        "--limit",
        type=positive_number,
        metavar="N",
        help=_("how many (default {SHOWN}; {TRACED} with --trace)", SHOWN=SHOWN, TRACED=TRACED),
    )
    parser.add_argument("-l", "--long", action="store_true", help=_("every column, however wide"))
    only = parser.add_argument_group(_("filters, over the newest {LOOKED_AT} requests", LOOKED_AT=LOOKED_AT))
    only.add_argument("--since", type=duration_argument, metavar="TIME", help=_("asked at most so long ago: 90m, 24h"))
    only.add_argument("--model", type=model_name, metavar="NAME", help=_("answered by this model"))
    only.add_argument("--role", metavar="ROLE", help=_("of this role"))
    only.add_argument("--outcome", metavar="WORD", help=_("answered, failed, cancelled, or an error's code"))
    only.add_argument("--slow", type=duration_argument, metavar="TIME", help=_("that took at least so long"))
    parser.add_argument("--trace", action="store_true", help=_("as a trace of requests that the simulator can replay"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Print records newest first; a trace goes from the oldest on. ``--json`` prints one record a line."""
    shown = args.limit or (TRACED if args.trace else SHOWN)
    filters = (args.since, args.model, args.role, args.outcome, args.slow)
    is_filtered = any(each is not None for each in filters)
    with open_client(args) as client:
        records = client.history(limit=max(shown, LOOKED_AT) if is_filtered else shown).records
    if is_filtered:
        records = [record for record in records if _is_wanted(record, args, time.time())][:shown]
    if args.trace:
        from innkeep.cli.trace import trace_of  # for --trace only

        for line in trace_of(records):
            terminal.print_json(line)
    elif args.json:
        for record in records:
            terminal.print_json(record)
    else:
        from innkeep.cli.record import history_text  # not for --json

        terminal.say(history_text(records, terminal.paint, terminal.table_width(long=args.long)))
    return OK


def _is_wanted(record: "DecisionRecord", args: Namespace, now: float) -> bool:
    """Whether a record passes every filter that was given."""
    return (
        (args.since is None or record.asked_at >= now - args.since)
        and args.model in {None, record.model, (record.model or "").removesuffix(":latest")}
        and args.role in {None, record.role}
        and args.outcome in {None, record.outcome, record.code}
        and (args.slow is None or record.timings.total >= args.slow)
    )
