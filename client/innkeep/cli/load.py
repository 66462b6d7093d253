"""``innkeep load MODEL``."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.arguments import model_name
from innkeep.cli.outcome import OK
from innkeep.cli.swapping import follow_swap
from innkeep.cli.terminal import Terminal
from innkeep.cli.units import seconds
from innkeep.language import _

EXAMPLES = (
    "innkeep load qwen2.5-coder:32b",
    "innkeep load llama3.1:8b --json",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``MODEL``."""
    parser.add_argument(
        "model", metavar="MODEL", type=model_name, help=_("the model to load; others are unloaded if they must")
    )


def run(args: Namespace, terminal: Terminal) -> int:
    """Load it, telling what has to leave and how far it is."""
    from innkeep.wire import Load, Loaded  # brings msgspec: not for --help

    end = follow_swap(Load(id=0, model=args.model), args, terminal)
    if isinstance(end, Loaded) and not args.json:
        terminal.say(_("loaded {model} ({took})", model=end.model, took=seconds(end.took)))
    return OK
