"""What ``load`` and ``unload`` share: a swap followed to its end, with progress."""

from argparse import Namespace
from typing import TYPE_CHECKING

from innkeep.cli.lazy import open_client
from innkeep.cli.progress import Progress
from innkeep.cli.terminal import Terminal

if TYPE_CHECKING:
    from innkeep import wire


def follow_swap(request: "wire.Load | wire.Unload", args: Namespace, terminal: Terminal) -> "wire.Reply | None":
    """Send ``request``, draw each ``loading`` (with ``--json`` print it), and give the reply that ends it."""
    from innkeep.cli.render import progress_line  # brings msgspec: not for --help
    from innkeep.wire import Loading

    end = None
    with open_client(args) as client, Progress(terminal, silent=args.json) as progress:
        for reply in client.stream(request):
            if args.json:
                terminal.print_json(reply)
            if isinstance(reply, Loading):
                progress.show(progress_line(None, reply), topic=reply.model)
            else:
                end = reply
    return end
