"""What the socket answers while the configuration is wrong: ``bad_config`` with file and key, until it is mended."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from signal import SIGHUP, Signals
from socket import socket
from typing import TypeVar

import anyio
from anyio.abc import ByteStream, SocketListener

from innkeep import wire
from innkeep.errors import InnkeepError
from innkeep.framing import Framer, decode_request, encode
from innkeepd.errors import ConfigError

T = TypeVar("T")
LOOK_EVERY = 10.0
"""Seconds between two looks at the file."""


async def serve_bad_config(
    listeners: list[socket], load: Callable[[], T], file: Path, signals: AsyncIterator[Signals]
) -> T | None:
    """Answer everything with what is wrong until ``load`` succeeds (its result) or a signal says to stop (None)."""
    found: list[T] = []
    async with anyio.create_task_group() as tasks:
        state = _Broken(load, file)
        for raw in listeners:
            tasks.start_soon(state.answer, raw.dup())

        async def look() -> None:
            while not state.is_mended(found):  # noqa: ASYNC110
                await anyio.sleep(LOOK_EVERY)
            tasks.cancel_scope.cancel()

        async def obey() -> None:
            async for number in signals:
                if number != SIGHUP or state.is_mended(found):
                    break
            tasks.cancel_scope.cancel()

        tasks.start_soon(look)
        tasks.start_soon(obey)
    return found[0] if found else None


class _Broken:
    def __init__(self, load: Callable[[], T], file: Path) -> None:
        self._load = load
        self._file = file
        self._message = ""

    def is_mended(self, found: list[T]) -> bool:
        """Whether the file can be read now."""
        try:
            found[:] = [self._load()]  # type: ignore[list-item]  # one T for the whole room
        except ConfigError as error:
            self._message = str(error)
        return bool(found)

    async def answer(self, raw: socket) -> None:
        async with await SocketListener.from_socket(raw) as listener:
            await listener.serve(self._tell)

    async def _tell(self, stream: ByteStream) -> None:
        framer = Framer()
        async with stream:
            try:
                with anyio.fail_after(30.0):
                    while True:
                        for body in framer.feed(await stream.receive()):
                            await stream.send(encode(self._error(body, framer), framer.dialect or "lines"))
            except (anyio.EndOfStream, anyio.BrokenResourceError, InnkeepError, TimeoutError):
                return

    def _error(self, body: bytes, framer: Framer) -> wire.Error:
        try:
            identity: int | None = decode_request(body, framer.dialect or "lines").id
        except InnkeepError as fault:
            identity = fault.request_id
        return wire.Error(id=identity, code="bad_config", message=self._message, detail={"file": str(self._file)})
