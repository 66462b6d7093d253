"""The running event loop's clock, looked up once: ``anyio.current_time`` finds the loop anew each time.

What is asked for at every token takes the clock itself; everything else asks anyio.
"""

import asyncio
from collections.abc import Callable

import anyio


def ticks() -> Callable[[], float]:
    """A function that gives what ``anyio.current_time`` gives, for as long as this event loop runs; seconds."""
    loop = asyncio_loop()
    return anyio.current_time if loop is None else loop.time


def asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop where asyncio runs it; None on trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
