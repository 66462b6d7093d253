import threading

import anyio
import pytest

from innkeepd.machine.offload import off_loop


async def threads():
    return [await off_loop(is_long, threading.get_ident) for is_long in (True, False)]


def test_on_asyncio_what_is_long_is_computed_in_a_thread():
    long, short = anyio.run(threads, backend="asyncio")
    assert (long != threading.get_ident(), short) == (True, threading.get_ident())


def test_on_trio_nothing_is_computed_in_a_thread():
    assert anyio.run(threads, backend="trio") == [threading.get_ident()] * 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_fails_there_fails_here(backend):
    async def divided():
        await off_loop(True, lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        anyio.run(divided, backend=backend)
