"""What ``load`` and ``unload`` share: a swap followed to its end, with progress."""

from argparse import Namespace
from functools import partial
from typing import TYPE_CHECKING

from innkeep.cli.lazy import open_client
from innkeep.cli.progress import Progress
from innkeep.cli.terminal import Terminal
from innkeep.cli.units import whole_seconds
from innkeep.language import _

if TYPE_CHECKING:
    from innkeep import wire


def follow_swap(request: "wire.Load | wire.Unload", args: Namespace, terminal: Terminal) -> "wire.Reply | None":
    """Send ``request``, draw each ``loading`` (with ``--json`` print it), and give the reply that ends it."""
    from innkeep.cli.waiting import loading_line, waiting_line  # bring msgspec: not for --help
    from innkeep.wire import Loading, Waiting

    end = None
    with open_client(args) as client, Progress(terminal, silent=args.json) as progress:
        what = f"{args.verb} {request.model}" if request.model else _("unload every model")
        progress.show(
            lambda since, _cells: _(
                "{what}: waiting for running answers, {since}", what=what, since=whole_seconds(since)
            ),
            topic=what,
        )
        for reply in client.stream(request):
            if args.json:
                terminal.print_json(reply)
            if isinstance(reply, Loading):
                progress.show(partial(loading_line, reply), topic=reply.model)
            elif isinstance(reply, Waiting):
                progress.show(partial(waiting_line, reply), topic=reply.reason)
            else:
                end = reply
    return end
