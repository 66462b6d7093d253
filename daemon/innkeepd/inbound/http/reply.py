"""One HTTP answer on its way out: its head once, then its body."""

from collections.abc import Awaitable, Callable, MutableMapping
from secrets import token_hex
from typing import Any, TypeAlias

from innkeepd.inbound.http.errors import Api, HttpFault, error_body

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

JSON = b"application/json; charset=utf-8"
FULL = "innkeepd.full"
"""Key of the scope's extensions under which ``server.py`` tells whether the client has much left to read."""


class Reply:
    """Sends to one client. ``identity`` names the request, ``extra`` headers go with every head."""

    def __init__(self, send: Send, *, extra: list[tuple[bytes, bytes]], is_full: Callable[[], bool]) -> None:
        self.identity = token_hex(4)
        self.begun = False
        self.is_full = is_full
        self._send = send
        self._extra = extra

    def __repr__(self) -> str:
        return f"<Reply {self.identity}{' begun' if self.begun else ''}>"

    async def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers."""
        named = (b"x-innkeep-request", self.identity.encode())
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, named, *self._extra]})
        self.begun = True

    async def chunk(self, data: bytes) -> None:
        """A part of the body; waits where the client reads slowly."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """The last of it."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def whole(self, data: bytes, *, status: int = 200, content_type: bytes = JSON) -> None:
        """An answer in one piece."""
        await self.head(status, [(b"content-type", content_type), (b"content-length", str(len(data)).encode())])
        await self.end(data)

    async def fault(self, api: Api, fault: HttpFault) -> None:
        """An error answer in the API's own shape."""
        await self.whole(error_body(api, fault), status=fault.status)
