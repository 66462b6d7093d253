"""Tells the user outside innkeep: a command of the user's own, and a notification of macOS."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

import anyio

WITHIN = 10.0
"""Seconds that a command has; then it is ended."""
_SCRIPT = 'on run argv\ndisplay notification (item 1 of argv) with title "innkeep"\nend run'
"""The text is an argument of the script, never a part of it: a model's name cannot become AppleScript."""


def desktop_command(text: str, platform: str = sys.platform) -> list[str] | None:
    """The command that shows a notification; None where the system has none that we know."""
    return ["/usr/bin/osascript", "-e", _SCRIPT, text] if platform == "darwin" else None


async def run_command(
    command: Sequence[str], data: bytes, environ: Mapping[str, str], *, report: Callable[[str], None]
) -> None:
    """Run a command without a shell, with ``data`` as its standard input; ``report`` is told why it failed."""
    try:
        with anyio.fail_after(WITHIN):
            ended = await anyio.run_process(
                list(command),
                input=data,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(os.environ) | dict(environ),
                check=False,
            )
    except TimeoutError:
        report(f"{command[0]} did not end within {WITHIN:g} s and was ended")
    except OSError as error:
        report(f"{command[0]} can't be run: {error.strerror or error}")
    else:
        if ended.returncode:
            report(f"{command[0]} ended with status {ended.returncode}")
