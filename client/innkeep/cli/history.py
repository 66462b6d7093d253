"""``innkeep history``: past requests, as a table, as JSON or as a trace."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.arguments import positive_number
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal

EXAMPLES = (
    "innkeep history",
    "innkeep history -n 100 --json | jq -r .model | sort | uniq -c",
    "innkeep history --trace > today.jsonl",
)

SHOWN = 20
TRACED = 10_000


def add_arguments(parser: ArgumentParser) -> None:
    """``-n``, ``-l`` and ``--trace``."""
    parser.add_argument(
        "-n", "--limit", type=positive_number, metavar="N", help=f"how many (default {SHOWN}; {TRACED} with --trace)"
    )
    parser.add_argument("-l", "--long", action="store_true", help="every column, however wide")
    parser.add_argument("--trace", action="store_true", help="as a trace of requests that the simulator can replay")


def run(args: Namespace, terminal: Terminal) -> int:
    """Print records newest first; a trace goes from the oldest on. ``--json`` prints one record a line."""
    with open_client(args) as client:
        records = client.history(limit=args.limit or (TRACED if args.trace else SHOWN)).records
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
