"""What a peer says, taken from the socket as it comes.

On asyncio a real socket is watched for as long as its connection lives: anyio's stream begins and ends to watch it for
every message, which with the turns of the event loop that belong to it costs a tenth of a request. Everything else
(trio, the tests' streams of memory) is asked as anyio does.
"""

import asyncio
import socket
from typing import Any

import anyio
from anyio.abc import ByteStream, SocketAttribute

from innkeepd.machine.event_loop import asyncio_loop

READ = 65_536
"""Bytes taken at a time; one such piece is kept until it is asked for, and then nothing more is taken."""


class Reader:
    """The receiving side of a connection. ``hear`` is for one task at a time; ``close`` before the stream is closed."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._raw: Any = stream.extra(SocketAttribute.raw_socket, None)
        self._loop = asyncio_loop() if isinstance(self._raw, socket.socket) else None
        self._heard: bytes | OSError | None = None
        self._news: asyncio.Future[None] | None = None
        self._watches = False

    def __repr__(self) -> str:
        return f"<Ear {'on the socket' if self._watches else 'off'}>"

    async def receive(self) -> bytes:
        """The next bytes. Raises what a stream's ``receive`` raises: ``EndOfStream``, ``BrokenResourceError``."""
        if self._loop is None:
            return await self._stream.receive(READ)
        if self._heard is None:
            self._watch(self._loop)
            self._news = self._loop.create_future()
            try:
                await self._news
            finally:
                self._news = None
        heard, self._heard = self._heard, None
        if isinstance(heard, OSError):
            raise anyio.BrokenResourceError from heard
        if not heard:
            raise anyio.EndOfStream
        return heard

    def close(self) -> None:
        """Listen no more."""
        if self._loop is not None and self._watches:
            self._watches = False
            self._loop.remove_reader(self._raw.fileno())

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._watches:
            self._watches = True
            loop.add_reader(self._raw.fileno(), self._take)

    def _take(self) -> None:
        """The socket has something to say; where the last was not asked for yet, it waits in the kernel."""
        if self._heard is not None:
            self.close()
            return
        try:
            self._heard = self._raw.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._heard = error
        if not self._heard or isinstance(self._heard, OSError):
            self.close()
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
