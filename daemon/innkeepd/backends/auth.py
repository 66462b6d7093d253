"""A transport that shows our own token to an engine elsewhere, and never a client's."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from innkeepd.backends.http import Answer, Transport

_OURS = frozenset({"authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"})
"""Headers that prove who somebody is: what a client shows to us is not for the engine behind us."""


class BearerTransport:
    """Lays ``Authorization: Bearer`` over each request; without a token it only takes the client's own away."""

    def __init__(self, transport: Transport, token: str = "") -> None:
        self._transport = transport
        self._token = token

    def __repr__(self) -> str:
        return f"<BearerTransport {self.url} {'with a token' if self._token else 'without a token'}>"

    @property
    def url(self) -> str:
        """The server's address without a trailing slash."""
        return self._transport.url

    @property
    def losses(self) -> int:
        """How many kept connections the server has closed: one that ends or is replaced closes all of them."""
        return self._transport.losses

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a request; see ``Transport``."""
        sent = {name: value for name, value in (headers or {}).items() if name.lower() not in _OURS}
        if self._token:
            sent["authorization"] = f"Bearer {self._token}"
        return self._transport.request(method, path, body, sent)

    async def aclose(self) -> None:
        """Close kept connections."""
        await self._transport.aclose()
