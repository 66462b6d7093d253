"""Which event loop runs: the daemon has asyncio's, its tests trio's with a virtual clock."""

import asyncio


def asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop where asyncio runs it; None on trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
