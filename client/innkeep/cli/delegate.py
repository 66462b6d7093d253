"""Verbs that live in the daemon package (``config``, ``service``, ``doctor``, ``openclaw``): run by ``innkeepd``.

The client never imports the daemon, so that a thin client needs none of what the daemon needs.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from innkeep.cli.outcome import FAILURE, UsageError
from innkeep.cli.terminal import Terminal
from innkeep.language import _

_NEEDED = ("psutil", "structlog")
"""Of the extra ``daemon``: without these the installed ``innkeepd`` can't start."""


def delegate(verb: str, before: Sequence[str], after: Sequence[str], terminal: Terminal) -> int:
    """Become ``innkeepd VERB ...``; gives a status only where there is no innkeepd to become.

    ``before`` are the options in front of the verb. ``--socket``, there or behind, goes on as ``$INNKEEP_SOCKET``.
    """
    innkeepd = find_innkeepd(terminal.environ)
    if innkeepd is None:
        what = _("`innkeep {verb}` needs the daemon, which is not installed", verb=verb)
        terminal.print_error(_("{what}; install the extra `daemon`, as the README says", what=what))
        return FAILURE
    socket, passed_on = _take_socket(before)
    socket_after, after = _take_socket(after)
    socket = socket_after or socket
    environ = dict(terminal.environ) | ({"INNKEEP_SOCKET": socket} if socket else {})
    terminal.out.flush()
    try:
        os.execve(innkeepd, [str(innkeepd), verb, *after, *passed_on], environ)  # noqa: S606  # no shell is wanted
    except OSError as error:
        terminal.print_error(
            _(
                "{innkeepd} can't be started: {strerror}; install innkeep again",
                innkeepd=innkeepd,
                strerror=error.strerror,
            )
        )
    return FAILURE


def find_innkeepd(environ: Mapping[str, str], *, argv0: str | None = None, python: str | None = None) -> Path | None:
    """``innkeepd`` beside this command, beside this Python, or on ``$PATH``; None where none could start."""
    here = Path(python or sys.executable).parent
    beside = [Path(argv0 or sys.argv[0]).absolute().parent / "innkeepd", here / "innkeepd"]
    for candidate in beside:
        if os.access(candidate, os.X_OK) and candidate.is_file() and (candidate.parent != here or _can_start()):
            return candidate
    found = shutil.which("innkeepd", path=environ.get("PATH"))
    if found is None or (Path(found).parent == here and not _can_start()):
        return None
    return Path(found)


def _can_start() -> bool:
    """Whether this environment has what the daemon needs: the wheel brings the command ``innkeepd`` even without."""
    return all(find_spec(name) is not None for name in _NEEDED)


def _take_socket(options: Sequence[str]) -> tuple[str | None, list[str]]:
    socket, rest, waiting = None, [], False
    for option in options:
        if waiting:
            socket, waiting = option, False
        elif option == "--socket":
            waiting = True
        elif option.startswith("--socket="):
            socket = option.removeprefix("--socket=")
        else:
            rest.append(option)
    if waiting:
        raise UsageError(_("--socket needs a path; see `innkeep --help`"))
    return socket, rest
