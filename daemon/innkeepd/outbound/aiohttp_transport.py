"""``Transport`` on aiohttp: real sockets, asyncio only.

Importing aiohttp costs 0.15 s and 14 MB, so it happens at the first request and in a worker thread: the daemon listens
and answers meanwhile.
"""

import errno
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING

import anyio.to_thread

from innkeepd.outbound.http import Answer, Unreachable

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MAX_BODY = 16 * 2**20
"""Bytes of a body that is read as a whole; streams have no limit, because nothing of theirs is kept."""

READ_AHEAD = 128 * 1024
"""Bytes that one connection may hold for a reader that is slower than the server; then the socket is left to fill."""


SENT_AT_ONCE = 2**20
"""Bytes of a request's body up to which it goes to the socket as a whole; aiohttp warns of longer ones (images)."""


class AiohttpTransport:
    """Requests to one server over kept connections. No timeout but for connecting: whoever waits decides how long."""

    def __init__(self, url: str, *, connect_timeout: float) -> None:
        self._url = url.rstrip("/")
        self._connect_timeout = connect_timeout
        self._session: ClientSession | None = None
        self._opening = anyio.Lock()

    def __repr__(self) -> str:
        return f"<AiohttpTransport {self._url} {'closed' if self._session is None else 'open'}>"

    @property
    def url(self) -> str:
        """The server's address without a trailing slash."""
        return self._url

    @asynccontextmanager
    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Answer]:
        """Send a request; see ``Transport``. Redirects are not followed, bodies not decompressed, proxies not asked."""
        session = self._session or await self.open()
        from aiohttp import ClientError, ClientResponseError  # noqa: PLC0415 (loaded by now)
        from yarl import URL  # noqa: PLC0415

        data = BytesIO(body) if body and len(body) > SENT_AT_ONCE else body
        try:
            response = await session.request(
                method, URL(self._url + path, encoded=True), data=data, headers=headers, allow_redirects=False
            )
        except ClientResponseError:
            raise Unreachable(f"{self._url}: what answers there does not speak HTTP") from None
        except (ClientError, OSError, TimeoutError) as error:
            raise Unreachable(f"{self._url}: {_words(error)}") from None
        try:
            yield _Answer(response, self._url, (ClientError, OSError, TimeoutError))
        finally:
            # Read to its end, its connection is kept already; otherwise closing tells the server that nobody listens.
            response.close()

    async def open(self) -> "ClientSession":
        """Import aiohttp without stopping the loop, and make the session. ``request`` does it where nobody has."""
        async with self._opening:
            if self._session is None:
                await anyio.to_thread.run_sync(import_module, "aiohttp")
                self._session = self._new_session()
            return self._session

    def _new_session(self) -> "ClientSession":
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector  # noqa: PLC0415

        return ClientSession(
            connector=TCPConnector(limit=0),
            timeout=ClientTimeout(total=None, sock_connect=self._connect_timeout),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            headers={"accept-encoding": "identity"},
            read_bufsize=READ_AHEAD,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close kept connections; a later request opens anew."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Answer:
    """A response whose head has come."""

    def __init__(self, response: "ClientResponse", url: str, faults: tuple[type[Exception], ...]) -> None:
        self._response = response
        self._url = url
        self._faults = faults
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    async def read(self) -> bytes:
        """The whole body; one over 16 MiB is as good as none."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > MAX_BODY:
                raise Unreachable(f"{self._url}: an answer of over {MAX_BODY // 2**20} MiB")
            parts.append(chunk)
        return b"".join(parts)

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; what has come meanwhile is one chunk."""
        return _Chunks(self._response, self._url, self._faults)


class _Chunks:
    """An iterator object, not a generator: left halfway, nothing has to be closed later."""

    def __init__(self, response: "ClientResponse", url: str, faults: tuple[type[Exception], ...]) -> None:
        self._readany = response.content.readany
        self._url = url
        self._faults = faults

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._readany()
        except self._faults as error:
            raise Unreachable(f"{self._url}: {_words(error, 'the connection broke in mid-answer')}") from None
        if not chunk:
            raise StopAsyncIteration
        return chunk


def _words(error: BaseException, otherwise: str = "") -> str:
    """What went wrong, in a few words on one line."""
    cause = getattr(error, "os_error", error)
    if isinstance(cause, TimeoutError):
        return "no connection in time"
    number = getattr(cause, "errno", None)
    if isinstance(number, int) and number in errno.errorcode:
        return os.strerror(number).lower()
    return otherwise or " ".join(str(error).split()) or type(error).__name__
