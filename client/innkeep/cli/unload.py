"""``innkeep unload MODEL`` and ``innkeep unload --all``."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.arguments import model_name
from innkeep.cli.outcome import OK
from innkeep.cli.swapping import follow_swap
from innkeep.cli.terminal import Terminal
from innkeep.cli.units import seconds
from innkeep.language import _

EXAMPLES = (
    "innkeep unload qwen2.5-coder:32b",
    "innkeep unload --all",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``MODEL`` or ``--all``."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("model", nargs="?", metavar="MODEL", type=model_name, help=_("the model to unload"))
    which.add_argument("--all", action="store_true", help=_("unload every model"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Unload it once its running answers have ended; it stays on disk."""
    from innkeep.wire import Unload, Unloaded  # brings msgspec: not for --help

    request = Unload(id=0, all=True) if args.all else Unload(id=0, model=args.model)
    end = follow_swap(request, args, terminal)
    if isinstance(end, Unloaded) and not args.json:
        what = _("all models unloaded") if end.model is None else _("unloaded {model}", model=end.model)
        terminal.say(f"{what} ({seconds(end.took)})")
    return OK
