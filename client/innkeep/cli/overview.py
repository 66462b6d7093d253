"""``innkeep --help`` and ``--version``, without argparse and without any verb's module."""

from innkeep.cli.outcome import EXIT_STATUSES
from innkeep.cli.verbs import GROUPS

_HEAD = """\
usage: innkeep [--socket PATH] [--json] COMMAND ...

Talk to innkeepd, the daemon that owns which model is in memory.
"""

_TAIL = """\
everywhere:
  --socket PATH  the daemon's socket (default: $INNKEEP_SOCKET, else
                 $INNKEEP_HOME/innkeepd.sock, else ~/.innkeep/innkeepd.sock)
  --json         print one JSON object, or one a line where more than one comes
  -V, --version  print the version
  -h, --help     print help; `innkeep COMMAND --help` has examples

also known as:
  ps (status), ls (models list), run MODEL [TEXT] (chat, ask), stop (unload),
  logs (service logs), restart (service restart), version, help COMMAND

examples:
  innkeep ask "why is the sky blue?"
  git diff | innkeep ask --role coding "review this"
  innkeep status
  innkeep hold 30m --why "video call"
"""


def exit_statuses() -> str:
    """The section of ``--help`` about exit statuses."""
    return "\n".join(["exit status:", *(f"  {status:<4} {meaning}" for status, meaning in EXIT_STATUSES.items())])


def overview() -> str:
    """The help of the whole command."""
    sections = [
        "\n".join([f"{head}:", *(f"  {verb:<11} {line}" for verb, line in verbs.items())])
        for head, verbs in GROUPS.items()
    ]
    return "\n".join([_HEAD, "\n\n".join(sections), "", _TAIL, exit_statuses()])


def version_line() -> str:
    """``innkeep 0.1.0 (protocol 1)``."""
    from importlib.metadata import PackageNotFoundError, version  # slow, and only for --version

    from innkeep.wire import PROTOCOL  # brings msgspec

    try:
        number = version("innkeep")
    except PackageNotFoundError:
        number = "(not installed)"
    return f"innkeep {number} (protocol {PROTOCOL})"
