"""HTTP/1.1 in the clear to this machine, as a transport for httpx. asyncio only; httptools reads the responses.

httpx's own transport takes 20 us for each chunk of a stream and 0.5 ms for each request (``docs/speed.md``); every
token of this machine's Ollama passes here. TLS, IPv6 and other hosts are httpx's own transport's business.

A connection carries one response at a time. Received data that was not read yet is bounded: over ``READ_AHEAD`` bytes
the socket is left to fill, so that a slow reader slows the server.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from itertools import chain
from typing import Any
from weakref import WeakSet

import anyio
import anyio.lowlevel
import httpx2
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from innkeepd.machine.sleep import this_instant

KEPT_FOR = 15.0
"""Seconds that a connection is kept for the next request: servers and sleeping machines drop them silently."""
MOST_KEPT = 32
"""Connections kept: those of a burst that are too many are closed at once."""
READ_AHEAD = 128 * 1024
"""Bytes that one connection may hold for a reader that is slower than the server."""
SENT_AT_ONCE = 256 * 1024
"""Bytes of a request given to the transport at a time: it copies what the kernel does not take."""
LINGER = 0.05
"""Seconds in which the end of a body may follow its last line: Ollama sends it in a packet of its own."""
SAFE_TO_REPEAT = frozenset({"GET", "HEAD"})

_ILLEGAL = re.compile(rb"[\0\r\n]")
_INTERIM = 200
"""Statuses below are interim: the real one follows."""


class LoopbackTransport(httpx2.AsyncBaseTransport):
    """A pool of kept connections. Of httpx's timeouts only ``connect`` is obeyed: the caller bounds its own waits."""

    def __init__(self) -> None:
        self._free: list[tuple[float, tuple[str, int], Connection]] = []
        self._lost = 0
        self._timer: asyncio.TimerHandle | None = None
        self._all: WeakSet[Connection] = WeakSet()

    def __repr__(self) -> str:
        return f"<LoopbackTransport, {len(self._free)} connections kept>"

    @property
    def losses(self) -> int:
        """How many kept connections the server has closed: one that ends or is replaced closes all of them."""
        return self._lost + sum(kept.is_lost for _, _, kept in self._free)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and wait for the head of its response. Raises ``httpx2.TransportError``.

        A server may close a kept connection while a request is on its way: what is safe to repeat is sent once more,
        on a new connection.
        """
        message = _message(request)
        place = (request.url.host, request.url.port or 80)
        connect_within = request.extensions.get("timeout", {}).get("connect")
        connection = self._take(place)
        was_kept = connection is not None
        connection = connection or await self._connect(place, connect_within)
        try:
            try:
                await connection.send(message, bodiless=request.method == "HEAD")
            except httpx2.ReadError:
                if not was_kept or connection.status or request.method not in SAFE_TO_REPEAT:
                    raise
                connection = await self._connect(place, connect_within)
                await connection.send(message, bodiless=request.method == "HEAD")
        except BaseException:
            connection.close()
            raise
        return httpx2.Response(
            connection.status,
            headers=connection.headers,
            stream=_Body(connection, lambda freed: self._keep(place, freed)),
            extensions={"abort": connection.close},
        )

    async def aclose(self) -> None:
        """Close every connection, lingering ones included; a later request opens new ones."""
        self._free = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in tuple(self._all):
            connection.close()
        await anyio.lowlevel.checkpoint()  # a socket is closed one turn of the loop after its abort

    async def _connect(self, place: tuple[str, int], within: float | None) -> "Connection":
        loop = asyncio.get_running_loop()
        try:
            with anyio.fail_after(within):
                _, connection = await loop.create_connection(Connection, *place)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error
        self._all.add(connection)
        return connection

    def _take(self, place: tuple[str, int]) -> "Connection | None":
        """A kept connection that may still be used; the newest, so that the others grow old."""
        oldest_use = this_instant().wall - KEPT_FOR
        for index in range(len(self._free) - 1, -1, -1):
            since, at, connection = self._free[index]
            if at == place:
                del self._free[index]
                if connection.is_reusable and since > oldest_use:
                    return connection
                self._drop(connection)
        return None

    def _drop(self, connection: "Connection") -> None:
        self._lost += connection.is_lost
        connection.close()

    def _keep(self, place: tuple[str, int], connection: "Connection") -> None:
        """Keep it for the next request; a timer closes those that wait too long for one.

        The clock goes on while the machine sleeps: after a night no kept connection is used.
        """
        self._free.append((this_instant().wall, place, connection))
        if len(self._free) > MOST_KEPT:
            self._drop(self._free.pop(0)[2])
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEPT_FOR, self._close_old)

    def _close_old(self) -> None:
        oldest_use = this_instant().wall - KEPT_FOR
        while self._free and self._free[0][0] <= oldest_use:
            self._drop(self._free.pop(0)[2])
        self._timer = None
        if self._free:
            rest = max(self._free[0][0] - oldest_use, 0.1)
            self._timer = asyncio.get_running_loop().call_later(rest, self._close_old)


def _message(request: httpx2.Request) -> bytes:
    """A whole request. Raises ``LocalProtocolError`` for a header that would break out of its line."""
    headers = request.headers.raw
    if _ILLEGAL.search(b"".join(chain.from_iterable(headers))):
        raise httpx2.LocalProtocolError("a header of a request holds a character that ends its line")
    lines = b"".join(b"%s: %s\r\n" % pair for pair in headers)
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (request.method.encode(), request.url.raw_path, lines, request.content)


class _Body(httpx2.AsyncByteStream):
    """The body in chunks; what arrived since the last read is one chunk. It is its own iterator."""

    def __init__(self, connection: "Connection", free: Callable[["Connection"], None]) -> None:
        self._connection: Connection | None = connection
        self._free = free

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._connection.piece() if self._connection is not None else b""
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave(self._free)


class Connection(asyncio.Protocol):
    """A connection and the response that is on its way. ``send`` first, then ``piece`` until b''."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._transport: Any = None
        self._parser = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._unread = 0
        self._is_paused = self._is_bodiless = self._has_head = self._is_choked = False
        self._is_whole = self._keeps_alive = True
        self._fault: httpx2.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._when_whole: Callable[[Connection], None] | None = None

    def __repr__(self) -> str:
        state = "lost" if self.is_lost else "free" if self._is_whole else "answering"
        return f"<Connection {state}, {self._unread} bytes unread>"

    @property
    def is_lost(self) -> bool:
        """Whether nothing more can be sent."""
        return self._transport is None or self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow: the response was read to its end and the server keeps the connection."""
        return self._is_whole and self._keeps_alive and not self._pieces and not self.is_lost

    async def send(self, message: bytes, *, bodiless: bool = False) -> None:
        """Send a request and wait for ``status`` and ``headers``; the response to a HEAD is ``bodiless``."""
        self.status, self.headers = 0, []
        self._has_head = self._is_whole = False
        self._is_bodiless = bodiless
        if len(message) <= SENT_AT_ONCE:
            self._transport.write(message)
        else:
            await self._write(memoryview(message))
        while not self._has_head:
            await self._news()

    async def _write(self, message: memoryview) -> None:
        """Write a long request part by part, as the server reads; where it answers before the end, the rest is kept."""
        for start in range(0, len(message), SENT_AT_ONCE):
            while self._is_choked and not self._has_head:
                await self._news()
            if self._has_head:
                self._keeps_alive = False  # it would read the next request as the rest of this one
                return
            self._transport.write(message[start : start + SENT_AT_ONCE])

    async def piece(self) -> bytes:
        """The part of the body received since the last read; b'' at its end."""
        while not self._pieces:
            if self._is_whole:
                return b""
            await self._news()
        pieces, self._pieces, self._unread = self._pieces, [], 0
        if self._is_paused and not self.is_lost:
            self._is_paused = False
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def leave(self, free: Callable[["Connection"], None]) -> None:
        """Nobody reads on. ``free`` is called once the response has ended; one that goes on is closed."""
        if self.is_reusable:
            free(self)
        elif self.is_lost or self._pieces or self._is_bodiless or self._is_whole:
            self.close()
        else:
            self._when_whole = free
            asyncio.get_running_loop().call_later(LINGER, self._close_if_left)

    def close(self) -> None:
        """Close at once, so that the server stops generating."""
        if self._transport is not None:
            self._transport.abort()

    def _close_if_left(self) -> None:
        if self._when_whole is not None:
            self._when_whole = None
            self.close()

    async def _news(self) -> None:
        """Wait until something was received. Raises the error that ended the connection."""
        if self._fault is not None:
            raise self._fault
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, fault: httpx2.TransportError) -> None:
        if not self._is_whole and self._fault is None:
            self._fault = fault
        self._keeps_alive = False

    # --- called by asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes of a response, cut anywhere."""
        try:
            if self._is_whole:
                raise HttpParserError("nothing was asked")
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(httpx2.RemoteProtocolError(str(error)))
            self._transport.abort()
        if self._unread > READ_AHEAD and not self._is_paused and not self.is_lost:
            self._is_paused = True
            self._transport.pause_reading()
        if self._when_whole is not None:  # nobody reads: this is the end, or what nobody wants
            free, self._when_whole = self._when_whole, None
            free(self) if self.is_reusable else self.close()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """End a body that has no length of its own; break off any other."""
        names = {name.lower() for name, _ in self.headers}
        if self._has_head and error is None and not names & {b"content-length", b"transfer-encoding"}:
            self._is_whole = True
        self._fail(httpx2.ReadError(str(error or "")))
        self._transport = None
        self._wake()

    def pause_writing(self) -> None:
        """Note that the server reads more slowly than it is written to."""
        self._is_choked = True

    def resume_writing(self) -> None:
        """Go on writing."""
        self._is_choked = False
        self._wake()

    # --- called by httptools ---

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the head of the response, or of an interim one."""
        self.status = self._parser.get_status_code()
        if self.status < _INTERIM:
            self.headers = []
            return
        self._has_head = True
        if self._is_bodiless:
            self._is_whole, self._keeps_alive = True, False  # the parser would wait for the body that is not sent

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append(data)
        self._unread += len(data)

    def on_message_complete(self) -> None:
        """Take the end, unless of an interim response."""
        if self._has_head:
            self._is_whole = True
            self._keeps_alive = self._keeps_alive and self._parser.should_keep_alive()
