"""HTTP to one engine, on httpx. Every request of the daemon goes through an ``HttpClient``.

httpx2 is the maintained successor of httpx (no release since 2024), with the same API, and trusts the certificates of
the system's own store. What it could do beyond a request stays off: no redirects, no cookies, no decompression, no
proxy of the environment, no timeout but for connecting. Its exceptions become ``BackendFault`` here and nowhere else.

httpx2 is imported with the first request, not with this module: the import takes as long as the rest of the start.
"""

import errno
import os
import re
import socket
import ssl
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio.to_thread

from innkeepd.backends.backend import BackendFault
from innkeepd.config.address import is_loopback
from innkeepd.machine.event_loop import asyncio_loop
from innkeepd.machine.sleep import this_instant

if TYPE_CHECKING:
    import httpx2

MAX_BODY = 16 * 2**20
"""Bytes of a body that is read as a whole; streams have no limit, because nothing of theirs is kept."""
KEPT_FOR = 15.0
"""Seconds that a connection to another machine is kept for the next request."""
MOST_KEPT = 8
"""Connections kept to another machine: httpx looks at each idle one for every request."""
MOST_URLS = 100
"""Parsed URLs kept: the paths of an engine are few."""
WALL = " (macOS keeps background programs from the local network: System Settings > Privacy & Security > Local Network)"
_ERRNO = re.compile(r"\[Errno (\d+)\]")
"""asyncio's one error for several addresses holds the numbers in its text."""
_CREDENTIALS = frozenset({"authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"})
"""Credentials: what a client sends to us is not passed on to the engine behind us."""


class Unreachable(BackendFault):
    """No answer began: no connection could be made, or it broke before the head."""

    def __init__(self, message: str) -> None:
        super().__init__("backend_unreachable", message)


class HttpClient:
    """Requests to one server.

    ``url``: without a trailing slash. ``token``: shown to the server instead of whatever a client shows to us; it is in
    no ``repr``. ``transport``: instead of the one that fits the address, for tests.
    """

    def __init__(
        self, url: str, *, connect_timeout: float, token: str = "", transport: "httpx2.AsyncBaseTransport | None" = None
    ) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._extensions = {"timeout": {"connect": connect_timeout, "read": None, "write": None, "pool": None}}
        self._fixed = transport
        self._transport = transport
        self._client: httpx2.AsyncClient | None = None
        self._urls: dict[str, httpx2.URL] = {}
        self._trust: ssl.SSLContext | None = None
        self._open = 0
        self._used = 0.0

    def __repr__(self) -> str:
        return f"<HttpClient {self.url}{' with a token' if self.token else ''}>"

    @property
    def losses(self) -> int:
        """How many kept connections the server has closed, where the transport counts them (loopback), else 0."""
        return getattr(self._transport, "losses", 0)

    @asynccontextmanager
    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator["HttpAnswer"]:
        """Send a request; the context is entered once the head was read, however long that takes.

        Leaving it closes the connection. Raises ``Unreachable``, and ``BackendFault`` for a body that
        breaks off or a header that no server would take.
        """
        client = await self._ready()
        self._open += 1
        try:
            response = await self._send(client, self._request(method, path, body, headers))
            try:
                async with aclosing(HttpAnswer(self.url, response)) as answer:
                    yield answer
            except BaseException:
                response.extensions.get("abort", _nothing)()
                raise
        finally:
            self._open -= 1
            self._used = this_instant().wall

    async def open(self) -> None:
        """Import and read what the first request would wait for, in a thread."""
        await self._ready()

    async def aclose(self) -> None:
        """Close kept connections; a later request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(self, client: "httpx2.AsyncClient", request: "httpx2.Request") -> "httpx2.Response":
        try:
            return await client.send(request, stream=True)
        except Exception as error:
            text = words(error)
            if text is None:
                raise
            raise Unreachable(f"{self.url}: {text}") from None

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None
    ) -> "httpx2.Request":
        import httpx2  # noqa: PLC0415 - see the module

        sent = {"accept": "*/*", "accept-encoding": "identity"}
        sent |= {name: value for name, value in (headers or {}).items() if name.lower() not in _CREDENTIALS}
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        if path not in self._urls:
            if len(self._urls) >= MOST_URLS:
                self._urls.clear()
            try:
                self._urls[path] = httpx2.URL(self.url + path)
            except httpx2.InvalidURL as error:
                raise BackendFault("bad_request", f"this cannot be sent to an engine: {error}") from None
        return httpx2.Request(method, self._urls[path], headers=sent, content=body, extensions=self._extensions)

    async def _ready(self) -> "httpx2.AsyncClient":
        """The client, made in a thread with the first request.

        It is replaced where connections to another machine may have been lost: httpx measures their age on a clock
        that stands still while the machine sleeps.
        """
        if self._client is not None and not self._open and not self._is_fresh():
            await self.aclose()
        if self._client is None:
            self._used = this_instant().wall
            if self._fixed is not None:
                made = self._fixed
            else:
                made, self._trust = await anyio.to_thread.run_sync(
                    _transport_for, self.url, asyncio_loop() is not None, self._trust
                )
            if self._client is None:  # else another request was faster, and this transport was never used
                self._transport, self._client = made, _client(made)
        return self._client

    def _is_fresh(self) -> bool:
        measures_sleep = self._fixed is not None or _is_plain_loopback(self.url)
        return measures_sleep or this_instant().wall - self._used < KEPT_FOR


class HttpAnswer:
    """A response whose head was read. ``headers``: names in lower case. It is its own iterator over ``chunks``."""

    def __init__(self, url: str, response: "httpx2.Response") -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._url = url
        self._response = response
        self._raw = response.aiter_raw()

    async def read(self) -> bytes:
        """The whole body, at most ``MAX_BODY``."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self:
            size += len(chunk)
            if size > MAX_BODY:
                # The request's own fault: a retry would compute it again, and another engine would fail alike.
                large = f"the answer has over {MAX_BODY // 2**20} MiB, more than is read as a whole"
                raise BackendFault("bad_request", f"{large}: send fewer texts at once")
            parts.append(chunk)
        return b"".join(parts)

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in chunks, cut anywhere."""
        return self

    async def aclose(self) -> None:
        """Close the response, and the generator that reads it."""
        await self._raw.aclose()
        await self._response.aclose()

    def __aiter__(self) -> "HttpAnswer":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._raw)
        except StopAsyncIteration:
            raise
        except Exception as error:
            text = words(error, begun=True)
            if text is None:
                raise
            raise BackendFault("backend_unreachable", f"{self._url}: {text}") from None


def words(error: Exception, *, begun: bool = False) -> str | None:
    """Why there is no answer, or no more of it, as a phrase on one line; None for what is no fault of the peer's."""
    import httpx2  # noqa: PLC0415

    match error:
        case httpx2.ConnectTimeout():
            return "no connection in time"
        case httpx2.ConnectError() | UnicodeError():  # a host's name may be one that no DNS could hold
            return _why_not_connected(error)
        case httpx2.RemoteProtocolError() if "disconnected" not in str(error) and "closed" not in str(error):
            return "what answers there does not speak HTTP"
        case httpx2.LocalProtocolError():
            raise BackendFault("bad_request", f"this cannot be sent to an engine: {error}") from None
        case httpx2.TransportError():
            return "the connection broke in mid-answer" if begun else "the server disconnected"
    return None


def _why_not_connected(error: BaseException) -> str:
    """The operating system's text for the first cause that has one."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not to be trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError | socket.gaierror):
            return " ".join(str(cause.strerror or cause).split())
        if isinstance(cause, OSError) and cause.errno:
            return _said(cause.errno)
        if found := _ERRNO.search(str(cause)):
            return _said(int(found[1]))
    return " ".join(str(error).split()) or type(error).__name__


def _said(number: int, platform: str = sys.platform) -> str:
    """Describe an errno. EHOSTUNREACH under launchd, since macOS 15, is mostly Local Network Privacy (TN3179)."""
    return os.strerror(number).lower() + (WALL if number == errno.EHOSTUNREACH and platform == "darwin" else "")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, the parts of groups too; the outermost first."""
    while error is not None:
        yield error
        for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
            yield from _causes(part)
        error = error.__cause__ or error.__context__


def _transport_for(
    url: str, on_asyncio: bool, trust: ssl.SSLContext | None
) -> tuple["httpx2.AsyncBaseTransport", ssl.SSLContext | None]:
    """Our transport for plain HTTP to this machine, else httpx's with ``trust``, the certificates it believes.

    Slow the first time: it imports, and reads the trust store (20 ms) where there is no ``trust`` yet.
    """
    import httpx2  # noqa: PLC0415

    if on_asyncio and _is_plain_loopback(url):
        from innkeepd.backends.loopback import LoopbackTransport  # noqa: PLC0415

        return LoopbackTransport(), None
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=MOST_KEPT, keepalive_expiry=KEPT_FOR)
    trust = trust or httpx2.create_ssl_context()  # of the environment it reads $SSL_CERT_FILE and $SSL_CERT_DIR
    return httpx2.AsyncHTTPTransport(verify=trust, limits=limits), trust


def _client(transport: "httpx2.AsyncBaseTransport") -> "httpx2.AsyncClient":
    import httpx2  # noqa: PLC0415

    return httpx2.AsyncClient(transport=transport, trust_env=False)


def _is_plain_loopback(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and ":" not in (host := parts.hostname or "") and is_loopback(host)


def _nothing() -> None:
    """No-op."""
