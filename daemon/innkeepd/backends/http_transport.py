"""``Transport`` on sockets: a pool of kept connections to one server. asyncio only.

Not a client library, because each request and each token passes here: with aiohttp the daemon used 0.83 ms of CPU for
a request instead of 0.71, 5.0 us a token instead of 4.2, and 11 MB more (``docs/speed.md``). What a library
would add beyond this is what ``Transport`` rules out: redirects, cookies, proxies, decompression, timeouts.
"""

import asyncio
import errno
import os
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from urllib.parse import urlsplit
from weakref import WeakSet

import anyio.lowlevel
import anyio.to_thread

from innkeepd.backends.http import TooLarge, Unreachable
from innkeepd.backends.http_connection import Connection
from innkeepd.machine.sleep import this_instant

MAX_BODY = 16 * 2**20
"""Bytes of a body that is read as a whole; streams have no limit, because nothing of theirs is kept."""
KEPT_FOR = 15.0
"""Seconds that a connection is kept for the next request: servers and sleeping machines drop them without a word."""
MOST_KEPT = 32
"""Connections kept: those of a burst that are too many are closed at once."""
NEXT_ADDRESS = 0.25
"""Seconds until a name's next address is tried while the first is silent (RFC 8305)."""
_SAFE_TO_REPEAT = frozenset({"GET", "HEAD"})
_ILLEGAL = re.compile(r"[\0\r\n]")
_ERRNO = re.compile(r"\[Errno (\d+)\]")


class HttpTransport:
    """Requests to one server over kept connections. No timeout but for connecting: whoever waits decides how long."""

    def __init__(self, url: str, *, connect_timeout: float) -> None:
        self._url = url.rstrip("/")
        parts = urlsplit(self._url)
        self._host, self._tls = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._base = parts.path
        self._fixed = f"host: {parts.netloc.rpartition('@')[2]}\r\naccept: */*\r\naccept-encoding: identity\r\n"
        self._connect_timeout = connect_timeout
        self._trust: ssl.SSLContext | None = None
        self._free: list[Connection] = []
        self._lost = 0
        self._timer: asyncio.TimerHandle | None = None
        self._all: WeakSet[Connection] = WeakSet()

    def __repr__(self) -> str:
        return f"<HttpTransport {self._url}, {len(self._free)} connections kept>"

    @property
    def url(self) -> str:
        """The server's address without a trailing slash."""
        return self._url

    @property
    def losses(self) -> int:
        """How many kept connections the server has closed: one that ends or is replaced closes all of them."""
        return self._lost + sum(connection.is_lost for connection in self._free)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> "_Exchange":
        """Send a request; see ``Transport``. Redirects are not followed, bodies not decompressed, proxies not asked."""
        return _Exchange(self, method, self._message(method, path, body, headers or {}))

    async def aclose(self) -> None:
        """Close every connection, those that linger too; a later request opens anew."""
        self._free = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in tuple(self._all):
            connection.close()
        await anyio.lowlevel.checkpoint()  # a socket is closed a turn after it was told so

    def _message(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        """A whole request. Raises ``ValueError`` for what would break out of its line."""
        line = f"{method} {self._base}{path}"
        own = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if (
            " " in path
            or _ILLEGAL.search(line)
            or any(_ILLEGAL.search(text) for pair in headers.items() for text in pair)
        ):
            raise ValueError("a path or a header of a request holds a character that ends its line")
        length = f"content-length: {len(body or b'')}\r\n" if body is not None or method == "POST" else ""
        return f"{line} HTTP/1.1\r\n{self._fixed}{own}{length}\r\n".encode("latin-1") + (body or b"")

    # ---- connections ----

    def take(self) -> Connection | None:
        """A kept connection that may still be used; the newest, so that the others grow old."""
        oldest_use = this_instant().wall - KEPT_FOR
        while self._free:
            connection = self._free.pop()
            if connection.is_reusable and connection.free_since > oldest_use:
                return connection
            self._drop(connection)
        return None

    def _drop(self, connection: Connection) -> None:
        self._lost += connection.is_lost
        connection.close()

    def keep(self, connection: Connection) -> None:
        """Keep it for the next request; those that wait too long for one are closed, by a timer at the latest.

        What is measured goes on while the machine sleeps: after a night no kept connection is believed.
        """
        connection.free_since = this_instant().wall
        self._free.append(connection)
        if len(self._free) > MOST_KEPT:
            self._drop(self._free.pop(0))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEPT_FOR, self._close_old)

    def _close_old(self) -> None:
        oldest_use = this_instant().wall - KEPT_FOR
        while self._free and self._free[0].free_since <= oldest_use:
            self._drop(self._free.pop(0))
        self._timer = None
        if self._free:
            rest = max(self._free[0].free_since - oldest_use, 0.1)
            self._timer = asyncio.get_running_loop().call_later(rest, self._close_old)

    async def connect(self) -> Connection:
        """A new connection. Raises ``Unreachable`` with the address."""
        loop = asyncio.get_running_loop()
        try:
            if self._tls and self._trust is None:
                self._trust = await anyio.to_thread.run_sync(ssl.create_default_context)  # reads the trust store
            with anyio.fail_after(self._connect_timeout):
                _, connection = await loop.create_connection(
                    Connection, self._host, self._port, ssl=self._trust, happy_eyeballs_delay=NEXT_ADDRESS
                )
        except (OSError, TimeoutError, UnicodeError) as error:
            raise self.unreachable(_words(error)) from None
        self._all.add(connection)
        return connection

    def unreachable(self, words: str) -> Unreachable:
        """A fault as it is told: which server, and how."""
        return Unreachable(f"{self._url}: {words.removeprefix(f'{self._url}: ')}")


class _Exchange:
    """One request as a context: entering waits for the head, leaving keeps the connection or closes it."""

    def __init__(self, transport: HttpTransport, method: str, message: bytes) -> None:
        self._transport = transport
        self._method = method
        self._message = message
        self._connection: Connection | None = None

    async def __aenter__(self) -> "_Answer":
        transport = self._transport
        connection = transport.take()
        was_kept = connection is not None
        connection = connection or await transport.connect()
        try:
            try:
                await self._ask(connection)
            except Unreachable:
                # A server may drop a kept connection while we send: what may be asked twice is asked on a new one.
                if not was_kept or connection.status or self._method not in _SAFE_TO_REPEAT:
                    raise
                connection.close()
                connection = await transport.connect()
                await self._ask(connection)
        except Unreachable as broken:
            connection.close()
            raise transport.unreachable(str(broken)) from None
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return _Answer(transport, connection)

    async def _ask(self, connection: Connection) -> None:
        connection.send(self._message, bodiless=self._method == "HEAD")
        await connection.head()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and error is None:
            connection.leave(self._transport.keep)
        elif connection is not None:
            connection.close()


class _Answer:
    """A response whose head has come. It is its own iterator: left halfway, nothing has to be closed later."""

    def __init__(self, transport: HttpTransport, connection: Connection) -> None:
        self._transport = transport
        self._connection = connection
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers

    async def read(self) -> bytes:
        """The whole body. Raises ``TooLarge``."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self:
            size += len(chunk)
            if size > MAX_BODY:
                raise TooLarge(MAX_BODY)
            parts.append(chunk)
        return b"".join(parts)

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; what has come meanwhile is one chunk."""
        return self

    def __aiter__(self) -> "_Answer":
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._connection.piece()
        except Unreachable as broken:
            raise self._transport.unreachable(str(broken)) from None
        if not chunk:
            raise StopAsyncIteration
        return chunk


def _words(error: Exception) -> str:
    """Why no connection could be made, in a few words on one line."""
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {error.verify_message}"
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (told := _ERRNO.search(str(error))):
        number = int(told[1])  # asyncio's one error for several addresses
    if number is not None and not isinstance(error, ssl.SSLError) and number in errno.errorcode:
        return os.strerror(number).lower()
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
