"""``innkeep history``: past requests, as a table, as JSON, as CSV or as a trace."""

import time
from argparse import ArgumentParser, Namespace

from innkeep.cli.arguments import duration_argument, model_name, positive_number
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

EXAMPLES = (
    "innkeep history",
    "innkeep history -n 100 --json | jq -r .model | sort | uniq -c",
    "innkeep history --since 24h --slow 20s",
    "innkeep history --model qwen2.5-coder:32b --outcome failed",
    "innkeep history --since 24h -n 1000 --csv > today.csv",
    "innkeep history --trace > today.jsonl",
)

SHOWN = 20
TRACED = 10_000


def add_arguments(parser: ArgumentParser) -> None:
    """``-n``, ``-l``, ``--csv``, ``--trace`` and the filters."""
    parser.add_argument(
        "-n",
        "--limit",
        type=positive_number,
        metavar="N",
        help=_("how many (default {SHOWN}; {TRACED} with --trace)", SHOWN=SHOWN, TRACED=TRACED),
    )
    parser.add_argument("-l", "--long", action="store_true", help=_("every column, however wide"))
    only = parser.add_argument_group(_("filters, over the whole history"))
    only.add_argument("--since", type=duration_argument, metavar="TIME", help=_("asked at most so long ago: 90m, 24h"))
    only.add_argument("--model", type=model_name, metavar="NAME", help=_("answered by this model"))
    only.add_argument("--role", metavar="ROLE", help=_("of this role"))
    only.add_argument("--outcome", metavar="WORD", help=_("answered, failed, cancelled, or an error's code"))
    only.add_argument("--slow", type=duration_argument, metavar="TIME", help=_("that took at least so long"))
    parser.add_argument("--csv", action="store_true", help=_("as comma-separated values, a head line first"))
    parser.add_argument("--trace", action="store_true", help=_("as a trace of requests that the simulator can replay"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Print records newest first; a trace goes from the oldest on. ``--json`` prints one record a line."""
    shown = args.limit or (TRACED if args.trace else SHOWN)
    with open_client(args) as client:
        records = client.history(
            limit=shown,
            since=None if args.since is None else time.time() - args.since,
            model=args.model,
            role=args.role,
            outcome=args.outcome,
            slower=args.slow,
        ).records
    if args.trace:
        from innkeep.cli.trace import trace_of  # for --trace only

        for line in trace_of(records):
            terminal.print_json(line)
    elif args.csv:
        from innkeep.cli.csv_text import csv_text  # for --csv only

        terminal.say(csv_text(records))
    elif args.json:
        for record in records:
            terminal.print_json(record)
    else:
        from innkeep.cli.record import history_text  # not for --json

        terminal.say(history_text(records, terminal.paint, terminal.table_width(long=args.long)))
    return OK
