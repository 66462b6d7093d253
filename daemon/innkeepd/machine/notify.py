"""Tells the user outside innkeep: a command of the user's own, and a notification of macOS."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import anyio
from anyio.abc import Process

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
        process = await anyio.open_process(
            list(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ) | dict(environ)
        )
    except OSError as error:
        report(f"{command[0]} can't be run: {error.strerror or error}")
        return
    async with process:  # leaving it waits for the process, and ends it where the daemon stops
        with anyio.move_on_after(WITHIN) as scope:
            await _feed(process, data)
            await process.wait()
        if scope.cancelled_caught:
            process.kill()
            report(f"{command[0]} did not end within {WITHIN:g} s and was ended")
        elif process.returncode:
            report(f"{command[0]} ended with status {process.returncode}")


async def _feed(process: Process, data: bytes) -> None:
    """Write the standard input; a program may end without reading it."""
    if process.stdin is not None:
        with suppress(anyio.BrokenResourceError):
            await process.stdin.send(data)
        await process.stdin.aclose()
