"""The one door to HTTP servers: a request out, an answer's bytes back.

``Transport`` has two implementations: ``HttpTransport`` on real sockets, and the tests' in-memory one that hands
requests straight to the simulator and so runs on a fake clock.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Unreachable(Exception):
    """No connection could be made, or it broke; ``str()`` says how in one line."""


class TooLarge(Exception):
    """A body of over ``limit`` bytes was to be read as a whole."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the answer has over {limit // 2**20} MiB")


class Answer(Protocol):
    """A response whose head has come. Leaving its context closes it, which tells the server that nobody listens."""

    @property
    def status(self) -> int:
        """HTTP status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...

    async def read(self) -> bytes:
        """The whole body, at most 16 MiB. Raises ``Unreachable`` when the connection breaks, ``TooLarge``."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, cut anywhere. Raises ``Unreachable`` when the connection breaks."""
        ...


class Transport(Protocol):
    """Sends requests to one server."""

    @property
    def url(self) -> str:
        """The server's address without a trailing slash."""
        ...

    @property
    def losses(self) -> int:
        """How many kept connections the server has closed: one that ends or is replaced closes all of them."""
        ...

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a request; the context's value is the answer once its head has come, however long that takes.

        Raises ``Unreachable`` where no connection can be made in time or it breaks before the head.
        """
        ...

    async def aclose(self) -> None:
        """Close kept connections."""
        ...
