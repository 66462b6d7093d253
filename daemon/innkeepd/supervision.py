"""Keep long-lived tasks alive: report a fault, wait, restart. ``docs/architecture.md`` has the rule.

A fault in or behind the scheduler's step is the exception: the owner's state can no longer be believed, so it ends the
process (``residency.supervisor.OwnerFault``).
"""

import traceback
from collections.abc import Awaitable, Callable

import anyio

PAUSES = (0.5, 30.0)
"""Seconds before a failed task restarts: after its first fault, doubled each time, and at most."""
SETTLED = 60.0
"""Seconds that a task runs without a fault until its next one counts as the first."""


async def supervise(name: str, work: Callable[[], Awaitable[None]], report: Callable[[str, Exception], object]) -> None:
    """Run ``work`` until it returns or is cancelled; ``report`` gets ``name`` and each fault that it ends with."""
    pause = PAUSES[0]
    while True:
        began = anyio.current_time()
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, one task's fault must not end the daemon
            report(name, error)
        else:
            return
        pause = PAUSES[0] if anyio.current_time() - began >= SETTLED else pause
        await anyio.sleep(pause)
        pause = min(pause * 2, PAUSES[1])


def described(error: BaseException) -> str:
    """A fault of our own in a few words: its type and its line, of the first one of a group.

    Never its text: Python's own exceptions quote the value that they choke on, which may be a part of a prompt.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "innkeep" in frame.filename] or frames
    place = f" at {ours[-1].filename.rpartition('/')[2]}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"
