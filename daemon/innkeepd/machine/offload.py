"""Long computations in a thread, so that the event loop serves others meanwhile.

The interpreter's lock goes from thread to thread between bytecodes, after 5 ms at most, but not within one call into C:
decoding one text of 16 MB holds everybody for as long as that takes.
"""

from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread

from innkeepd.machine.event_loop import asyncio_loop

SMALL = 128 * 1024
"""Bytes that are decoded, encoded or counted in less than 1 ms: a thread costs 0.1 ms."""
SHORT = 4096
"""Characters of a text that is routed in less than 1 ms."""

T = TypeVar("T")


async def off_loop(is_long: bool, work: Callable[[], T]) -> T:
    """Return ``work()``, computed in a thread where it is long. Raises what it raises.

    On trio it is computed at once: the virtual clock of the tests would jump while a thread works.
    """
    return await anyio.to_thread.run_sync(work) if is_long and asyncio_loop() is not None else work()
