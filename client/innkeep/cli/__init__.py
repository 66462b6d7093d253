"""The ``innkeep`` command: a file per verb, imported only when that verb is chosen."""

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (``sys.argv`` without its first word, where none is given) and give its exit status.

    ``--help`` and usage errors leave by ``SystemExit`` as argparse does, with 0 and 2.
    """
    from innkeep.cli.command import run  # `import innkeep.cli` alone stays free

    return run(argv)
