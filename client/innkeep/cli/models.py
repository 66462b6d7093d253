"""``innkeep models list`` and ``innkeep models set``."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, cast

from innkeep.cli.arguments import add_role, model_name
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK, UsageError
from innkeep.cli.terminal import Terminal
from innkeep.language import _

if TYPE_CHECKING:
    from innkeep.wire import Role

EXAMPLES = (
    "innkeep models list",
    "innkeep models list -l",
    "innkeep models list --names",
    "innkeep models set qwen2.5-coder:32b",
    "innkeep models set ollama/deepseek-r1:32b --role reasoning",
    "innkeep models set auto",
)


def add_arguments(parser: ArgumentParser) -> None:
    """``list`` or ``set NAME|auto``."""
    parser.add_argument(
        "action", nargs="?", choices=("list", "set"), default="list", help=_("list the models (default), or choose one")
    )
    parser.add_argument(
        "name", nargs="?", type=model_name, metavar="MODEL", help=_("for set: a model (ollama/MODEL too), or auto")
    )
    add_role(parser, _("for set: only this role's first choice"))
    parser.add_argument("-l", "--long", action="store_true", help=_("for list: every column, and why each fits or not"))
    parser.add_argument("--names", action="store_true", help=_("for list: names only, one a line"))


def run(args: Namespace, terminal: Terminal) -> int:
    """List, or choose."""
    if args.action == "set":
        return _choose(args, terminal)
    if args.name is not None or args.role is not None:
        raise UsageError(_("models list takes no model and no role; `innkeep models set MODEL` chooses one"))
    with open_client(args) as client:
        models = client.models()
    if args.json:
        terminal.print_json(models)
    elif args.names:
        for model in models.models:
            terminal.say(model.name)
    else:
        from innkeep.cli.render import models_text  # not for --json

        terminal.say(models_text(models, terminal.paint, terminal.table_width(long=args.long), long=args.long))
    return OK


def _choose(args: Namespace, terminal: Terminal) -> int:
    from msgspec import structs  # not for --help

    if args.name is None:
        raise UsageError(_("models set needs a model's name, or auto; `innkeep models list` shows the names"))
    with open_client(args) as client:
        name = None if args.name == "auto" else args.name
        selected = client.select(name, role=args.role)
        if name is None and args.role is None:  # everything is automatic again, the roles' first choices too
            for role in selected.selected_roles:
                selected = client.select(None, role=cast("Role", role))
            selected = structs.replace(selected, role=None)
    if args.json:
        terminal.print_json(selected)
    else:
        from innkeep.cli.render import selected_text  # not for --json

        terminal.say(selected_text(selected))
    if selected.warning:
        terminal.print_error(selected.warning)
    return OK
