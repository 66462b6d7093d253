"""``innkeep --help`` and ``--version``, without argparse and without any verb's module."""

from innkeep.cli.outcome import EXIT_STATUSES
from innkeep.cli.verbs import GROUPS
from innkeep.language import _, later

_HEAD = later("""\
usage: innkeep [--socket PATH] [--json] COMMAND ...

Talk to innkeepd, the daemon that owns which model is in memory.
""")

_TAIL = later("""\
everywhere:
  --socket PATH  the daemon's socket (default: $INNKEEP_SOCKET, else
                 $INNKEEP_HOME/innkeepd.sock, else ~/.innkeep/innkeepd.sock)
  --json         print one JSON object, or one a line where more than one comes
  --lang LANG    speak en (English) or ko (Korean), whatever the locale says
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
""")


def exit_statuses() -> str:
    """The section of ``--help`` about exit statuses."""
    return "\n".join([_("exit status:"), *(f"  {status:<4} {_(meaning)}" for status, meaning in EXIT_STATUSES.items())])


def overview() -> str:
    """The help of the whole command."""
    sections = [
        "\n".join([f"{_(head)}:", *(f"  {verb:<11} {_(line)}" for verb, line in verbs.items())])
        for head, verbs in GROUPS.items()
    ]
    return "\n".join([_(_HEAD), "\n\n".join(sections), "", _(_TAIL), exit_statuses()])


def version_line() -> str:
    """``innkeep 0.1.0 (protocol 1)``."""
    from importlib.metadata import PackageNotFoundError, version  # slow, and only for --version

    from innkeep.wire import PROTOCOL  # brings msgspec

    try:
        number = version("innkeep")
    except PackageNotFoundError:
        number = _("(not installed)")
    return _("innkeep {number} (protocol {PROTOCOL})", number=number, PROTOCOL=PROTOCOL)
