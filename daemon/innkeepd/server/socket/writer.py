"""What a connection is yet to be told: bounded, written at once where the peer reads, else by a task of its own.

``put`` never waits: it keeps the bytes, and all that one turn of the event loop gathered is sent in one system call,
which costs more than all the rest of a message. On asyncio the loop calls ``_post`` for that, because waking a task
would cost as much again; what the kernel does not take at once, and everything elsewhere, is the writer's. Whoever
produces much asks ``room`` in between. A peer that reads nothing for its ``patience`` is cut off.
"""

import asyncio
import select
import socket
from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio import CancelScope
from anyio.abc import ByteStream, SocketAttribute, TaskGroup

from innkeepd.chat.sink import ClientStuck
from innkeepd.machine.event_loop import asyncio_loop

HIGH = 256 * 1024
"""Bytes kept for a slow reader before ``room`` waits."""
FLOODED = 4 * HIGH
"""Bytes kept before nothing more is read from a peer: one that asks and asks and never reads is not even heard."""
LAST_WORDS = 1.0
"""Seconds that a connection which is being ended has for what is still to be told."""
LATER = 0.002
"""Seconds that news of no hurry wait for company."""
LOW = 64 * 1024
"""Bytes left when it goes on."""
SLICE = 16 * 1024
"""Bytes sent at a time: a peer is stuck when it does not take so many in time, not when it reads slowly."""


class Writer:
    """The bytes on their way to one peer."""

    def __init__(self, stream: ByteStream, *, patience: Callable[[], float]) -> None:
        self._stream = stream
        self._raw: socket.socket | None = stream.extra(SocketAttribute.raw_socket, None)
        self._patience = patience
        self._stuck_for: float | None = None
        self._kept = bytearray()
        self._writing = False
        self._filled = anyio.Event()
        self._urgent = anyio.Event()
        self._emptied = anyio.Event()
        self._awaited = False
        self._broken = False
        self._write_scope = CancelScope(shield=True)
        self._loop = _loop_for(self._raw)
        self._posting: asyncio.Handle | None = None
        self._posting_soon = False

    def __repr__(self) -> str:
        return f"<Outbox {len(self._kept)} bytes kept>"

    @property
    def kept(self) -> int:
        """Bytes that the peer has not read; what the writer has just taken is not among them."""
        return len(self._kept)

    @property
    def is_full(self) -> bool:
        """Whether whoever produces much should wait."""
        return len(self._kept) > HIGH and not self._broken

    def start(self, tasks: TaskGroup, connection: CancelScope) -> None:
        """Begin to write what is kept; a peer that is gone or stuck ends the whole connection."""
        tasks.start_soon(self._write, connection)

    def put(self, data: bytes, *, soon: bool = True) -> None:
        """Tell the peer; what is told to one that is gone is dropped. What need not be told ``soon`` may wait 2 ms."""
        if self._broken:
            return
        self._kept += data
        if self._loop is None or self._writing:
            self._wake(soon=soon)
        elif soon and not self._posting_soon:
            if self._posting is not None:
                self._posting.cancel()
            self._posting, self._posting_soon = self._loop.call_soon(self._post), True
        elif self._posting is None:
            self._posting = self._loop.call_later(LATER, self._post)

    def flush(self) -> None:
        """Send what is kept now, not at the end of this turn of the event loop: a person waits for the first token."""
        if self._posting is not None:
            self._posting.cancel()
            self._post()

    def _wake(self, *, soon: bool) -> None:
        self._filled.set()
        if soon:
            self._urgent.set()

    def _post(self) -> None:
        """Hand the kernel what it takes at once; the rest, and whatever goes wrong, is the writer's."""
        self._posting, self._posting_soon = None, False
        if self._raw is None or self._writing or self._broken:
            return
        with suppress(OSError):
            del self._kept[: self._raw.send(self._kept)]
        if self._kept:
            self._wake(soon=True)
        self._turn()

    async def room(self) -> None:
        """Wait while too much is kept. Raises ``ClientStuck`` where the peer was cut off meanwhile."""
        while self.is_full:
            await self._ebbed()
        if self._stuck_for is not None:
            raise ClientStuck(self._stuck_for)

    async def ebb(self) -> None:
        """Wait while so much is kept that the peer should not ask for more."""
        while len(self._kept) > FLOODED and not self._broken:
            await self._ebbed()

    async def drained(self) -> None:
        """Wait until everything is written."""
        while (self._kept or self._writing) and not self._broken:
            await self._ebbed()

    async def _ebbed(self) -> None:
        self._awaited = True
        await self._emptied.wait()

    async def finish(self) -> None:
        """Write what is kept although the connection is being ended, and stop: errors of a stop are told, too."""
        with anyio.move_on_after(LAST_WORDS, shield=True):
            await self.drained()
        self._write_scope.cancel()

    async def _write(self, connection: CancelScope) -> None:
        with self._write_scope, suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            while not self._broken:
                await self._something()
                chunk, self._kept = bytes(self._kept), bytearray()
                self._writing = True
                for start in range(0, len(chunk), SLICE):
                    seconds = self._patience()
                    with anyio.move_on_after(seconds) as waited:
                        await self._stream.send(chunk[start : start + SLICE])
                    if waited.cancelled_caught:
                        self._stuck_for = seconds
                        break
                if self._stuck_for is not None:
                    break
                self._writing = False
                self._turn()
        self._broken = True
        self._turn()
        connection.cancel()

    async def _something(self) -> None:
        """Wait for something to tell, and a little longer where it has no hurry."""
        if not self._kept:
            self._filled, self._urgent = anyio.Event(), anyio.Event()
            await self._filled.wait()
        if not self._urgent.is_set():
            with anyio.move_on_after(LATER):
                await self._urgent.wait()

    def _turn(self) -> None:
        if self._awaited and (len(self._kept) <= LOW or self._broken):
            self._awaited = False
            self._emptied.set()
            self._emptied = anyio.Event()

    def is_deserted(self) -> bool:
        """After the end of input: whether the peer has closed altogether, not only its sending side.

        A stream of memory has no half-closed state. On a socket Linux tells by POLLHUP, macOS by a failing empty send
        (read in xnu, never tried on a Mac).
        """
        if self._raw is None or self._broken:
            return True
        poll = select.poll()
        poll.register(self._raw.fileno(), 0)
        if any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0)):
            return True
        try:
            self._raw.send(b"")
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return False

    async def aclose(self) -> None:
        """Close the connection; never waits for the peer."""
        self._broken = True
        with anyio.move_on_after(1.0, shield=True):
            await self._stream.aclose()


def _loop_for(raw: socket.socket | None) -> asyncio.AbstractEventLoop | None:
    """The loop that may write to a real socket by itself."""
    return asyncio_loop() if isinstance(raw, socket.socket) else None
