"""``innkeep top``: what is in memory and who waits, live, on the whole terminal."""

import sys
from argparse import ArgumentParser, Namespace

from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import OK, UsageError
from innkeep.cli.terminal import Terminal
from innkeep.language import _, later

EXAMPLES = (
    "innkeep top",
    "innkeep top --read-only",
    "ssh -t studio innkeep top",
)

MISSING = later(
    "`innkeep top` needs Textual: install the extra `top` (pip install 'innkeep[top]'); `innkeep watch` needs none"
)


def add_arguments(parser: ArgumentParser) -> None:
    """``--read-only`` and ``--ascii``."""
    parser.add_argument("--read-only", action="store_true", help=_("look only: no key changes anything"))
    parser.add_argument("--ascii", action="store_true", help=_("draw bars with ASCII characters"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Show the screen until ``q``. Raises ``UsageError`` where there is no terminal to draw on, or no Textual."""
    if args.json:
        raise UsageError(_("top draws a screen; `innkeep watch --json` and `innkeep monitor --json` print lines"))
    if not (terminal.shows_out and terminal.shows_err and sys.stdin.isatty()) or terminal.environ.get("TERM") == "dumb":
        raise UsageError(_("top needs a terminal; `innkeep monitor` prints a line each half minute"))
    try:
        from innkeep.cli.top_app import TopApp  # brings Textual: 0.2 s, for this verb only
        from innkeep.cli.top_view import ASCII, BLOCKS
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("textual", "rich"):
            raise
        raise UsageError(_(MISSING)) from None
    from innkeep.client import AsyncClient  # brings anyio

    with open_client(args) as client:
        client.ping()  # a daemon that is not there is an error line, not an empty screen
    speaks_utf8 = (getattr(terminal.out, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    marks = ASCII if args.ascii or not speaks_utf8 else BLOCKS
    app = TopApp(AsyncClient(args.socket, name="innkeep top"), read_only=args.read_only, marks=marks)
    app.run(mouse=False)  # the terminal keeps its own selection of text
    return app.return_code or OK
