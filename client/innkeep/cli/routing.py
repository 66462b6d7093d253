"""``innkeep routing``: what feedback taught the router, fitting it to that, and taking the fit back."""

from argparse import ArgumentParser, Namespace

from innkeep import wire
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import FAILURE, OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

EXAMPLES = (
    "innkeep routing",
    "innkeep routing train",
    "innkeep routing undo",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``show``, ``train`` or ``undo``."""
    parser.add_argument(
        "action",
        nargs="?",
        default="show",
        choices=("show", "train", "undo"),
        help=_("what to do; show where none is given"),
    )


def run(args: Namespace, terminal: Terminal) -> int:
    """Ask the daemon and print what it did; fails where ``train`` or ``undo`` changed nothing."""
    with open_client(args) as client:
        found = client.routing(args.action)
    if args.json:
        terminal.print_json(found)
    else:
        terminal.say(routing_text(found))
    if found.warning:
        terminal.print_error(found.warning)
    return OK if found.changed or args.action == "show" else FAILURE


def routing_text(found: wire.Routing) -> str:
    """The message and the measures, then what is kept."""
    lines = [found.message] if found.message else []
    if found.before is not None and found.after is not None:
        lines += [
            _("held back, before: {measured}", measured=_measured(found.before)),
            _("held back, after:  {measured}", measured=_measured(found.after)),
        ]
    kept = ", ".join(f"{count} {role}" for role, count in found.examples.items())
    lines.append(_("examples kept, as hashed features: {kept}", kept=kept))
    lines.append(_("the router is corrected by them") if found.in_use else _("the router is as delivered"))
    return "\n".join(lines)


def _measured(measure: wire.RoutingMeasure) -> str:
    return _(
        "{right} of {total} right, log-loss {loss:.3f}", right=measure.right, total=measure.total, loss=measure.loss
    )
