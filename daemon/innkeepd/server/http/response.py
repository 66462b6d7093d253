"""One HTTP answer on its way out: its head once, then its body."""

from collections.abc import Awaitable, Callable, MutableMapping
from math import inf
from secrets import token_hex
from typing import Any, TypeAlias

import anyio

from innkeepd.chat.sink import ClientStuck
from innkeepd.server.http.errors import Api, HttpFault, error_body

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

JSON = b"application/json; charset=utf-8"
FULL = "innkeepd.full"
"""Key of the scope's extensions under which ``server.py`` tells whether the client has much left to read."""
CUT = "innkeepd.cut"
"""Key of the scope's extensions under which ``server.py`` gives what closes the connection at once."""


class Response:
    """Sends to one client. ``identity`` names the request, ``extra`` headers go with every head.

    A client that has much left to read and reads nothing of it for ``patience`` seconds is cut off by ``cut``; whoever
    sends to it gets ``ClientStuck``.
    """

    def __init__(
        self,
        send: Send,
        *,
        extra: list[tuple[bytes, bytes]],
        is_full: Callable[[], bool],
        cut: Callable[[], object] = lambda: None,
        patience: float = inf,
    ) -> None:
        self.identity = token_hex(4)
        self.begun = False
        self._is_full = is_full
        self._to_client = send
        self._cut = cut
        self._patience = patience
        self._extra = extra

    def __repr__(self) -> str:
        return f"<Reply {self.identity}{' begun' if self.begun else ''}>"

    @property
    def is_full(self) -> bool:
        """Whether the client has much left to read."""
        return self._is_full()

    async def _send(self, message: Message) -> None:
        if not self.is_full:
            await self._to_client(message)
            return
        with anyio.move_on_after(self._patience):
            await self._to_client(message)
            return
        self._cut()
        raise ClientStuck(self._patience)

    async def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers."""
        named = (b"x-innkeep-request", self.identity.encode())
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, named, *self._extra]})
        self.begun = True

    async def write(self, part: bytes) -> None:
        """A part of the body; waits where the client reads slowly. Raises ``ClientStuck``."""
        await self._send({"type": "http.response.body", "body": part, "more_body": True})

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
