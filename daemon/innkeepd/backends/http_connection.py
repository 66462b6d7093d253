"""One connection to an HTTP/1.1 server: a request's bytes out, its response in. httptools reads it; asyncio only.

A connection carries one response at a time. What has come and was not read yet is bounded: over ``READ_AHEAD`` bytes
the socket is left to fill, so that a slow reader slows the server.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from innkeepd.backends.http import Unreachable

READ_AHEAD = 128 * 1024
"""Bytes that one connection may hold for a reader that is slower than the server; then the socket is left to fill."""

LINGER = 0.05
"""Seconds in which the end of a body may follow its last line: Ollama sends it in a packet of its own."""

BROKE = "the connection broke in mid-answer"
_CONTINUES = 200
"""Statuses below are interim: the real one follows."""


class Connection(asyncio.Protocol):
    """A connection and the response that is on its way. ``send`` first, then ``head``, then ``piece`` until b''."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.used = False
        self.free_since = 0.0
        self._transport: Any = None
        self._parser = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._kept = 0
        self._paused = False
        self._bodiless = False
        self._has_head = False
        self._whole = True
        self._reusable = True
        self._fault: str | None = None
        self._news: asyncio.Future[None] | None = None
        self._left: Callable[[Connection], None] | None = None

    def __repr__(self) -> str:
        state = "lost" if self.is_lost else "free" if self._whole else "answering"
        return f"<Connection {state}, {self._kept} bytes kept>"

    @property
    def is_lost(self) -> bool:
        """Whether nothing more can be sent."""
        return self._transport is None or self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow: the response was read to its end and the server keeps the connection."""
        return self._whole and self._reusable and not self._pieces and not self.is_lost

    @property
    def has_begun(self) -> bool:
        """Whether any of the response has come."""
        return self._has_head or self._fault is not None

    @property
    def kept(self) -> int:
        """Bytes that have come and were not read yet."""
        return self._kept

    # ---- for the transport ----

    def send(self, data: bytes, *, bodiless: bool = False) -> None:
        """Begin a request; the response to a HEAD is ``bodiless``."""
        self.status, self.headers = 0, {}
        self._has_head = self._whole = False
        self._bodiless = bodiless
        self._transport.write(data)

    async def head(self) -> None:
        """Wait for ``status`` and ``headers``. Raises ``Unreachable`` in a few words."""
        while not self._has_head:
            if self._fault is not None:
                raise Unreachable(self._fault)
            await self._wait()

    async def piece(self) -> bytes:
        """What has come of the body since; b'' at its end. Raises ``Unreachable`` in a few words."""
        while not self._pieces:
            if self._whole:
                return b""
            if self._fault is not None:
                raise Unreachable(self._fault)
            await self._wait()
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces, self._kept = [], 0
        if self._paused and not self.is_lost:
            self._paused = False
            self._transport.resume_reading()
        return data

    def leave(self, free: Callable[["Connection"], None]) -> None:
        """Nobody reads on: ``free`` is told once the response has ended; one that goes on is closed, and so told so."""
        if self.is_reusable:
            free(self)
        elif self.is_lost or self._pieces or self._bodiless or self._fault is not None or self._whole:
            self.close()
        else:
            self._left = free
            asyncio.get_running_loop().call_later(LINGER, self._close_if_left)

    def _close_if_left(self) -> None:
        if self._left is not None:
            self._left = None
            self.close()

    def close(self) -> None:
        """Close at once: it tells the server that nobody listens."""
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        finally:
            self._news = None

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _fail(self, words: str) -> None:
        if not self._whole and self._fault is None:
            self._fault = words
        self._reusable = False

    # ---- asyncio's calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes of a response, cut anywhere."""
        try:
            if self._whole:
                raise HttpParserError("nothing was asked")
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._fail("what answers there does not speak HTTP")
            self._transport.abort()
        if self._kept > READ_AHEAD and not self._paused and not self.is_lost:
            self._paused = True
            self._transport.pause_reading()
        if self._left is not None:
            self._see_off()
        self._tell()

    def _see_off(self) -> None:
        """More came for one that nobody reads: its end, or what nobody wants."""
        free, self._left = self._left, None
        if free is not None and self.is_reusable:
            free(self)
        else:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """No more will come: the end of a body that told no length, else a break."""
        if self._has_head and error is None and not self._whole and self._ends_with_connection():
            self._whole = True
        self._fail(BROKE if self._has_head else "the server disconnected")
        self._transport = None
        self._tell()

    def _ends_with_connection(self) -> bool:
        return "content-length" not in self.headers and "transfer-encoding" not in self.headers

    # ---- httptools' calls ----

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; of several with one name the last counts."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head of the response, or of an interim one."""
        self.status = self._parser.get_status_code()
        if self.status < _CONTINUES:
            self.headers = {}
            return
        self._has_head = True
        if self._bodiless:
            self._whole, self._reusable = True, False  # the parser would wait for the body that is not sent

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._pieces.append(data)
        self._kept += len(data)

    def on_message_complete(self) -> None:
        """The end, unless of an interim response."""
        if self._has_head:
            self._whole = True
            self._reusable = self._reusable and self._parser.should_keep_alive()
