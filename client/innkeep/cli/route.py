"""``innkeep route TEXT``: where would it go, and why."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK
from innkeep.cli.prompt import prompt_text
from innkeep.cli.terminal import Terminal
from innkeep.language import _

EXAMPLES = (
    'innkeep route "refactor this function"',
    'innkeep route "왜 하늘은 파란가?"',
    'innkeep route --json "compare A and B"',
)


def add_arguments(parser: ArgumentParser) -> None:
    """``TEXT``."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help=_("the prompt, or what is piped in; nothing is loaded"))
    parser.add_argument(
        "-v", "--verbose", action="store_true", help=_("show the words that decided and each model's fit")
    )
    parser.add_argument("--session", metavar="NAME", help=_("as a turn of this session"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Ask for the route and print it with its reason."""
    text = prompt_text(args.text, [], terminal)
    with open_client(args) as client:
        route = client.route(text, session=args.session)
    if args.json:
        terminal.print_json(route)
    else:
        from innkeep.cli.render import route_text  # not for --json

        terminal.say(route_text(route, terminal.paint, verbose=args.verbose))
    return OK
