"""The simulator as an ASGI application, a thin adapter around the engine."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio

from innkeepd.simulator.answer import SimAnswer
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.faults import Disconnected

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LARGEST_BODY = 64 * 2**20
ABORT = "innkeepd.abort"
"""Key of the scope's extensions under which ``server.py`` puts a function that cuts the connection."""


class App:
    """Serves one simulator. A client that disconnects stops its request, whether that waits, loads or streams."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = await _read(receive)
        if body is None:
            return
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            try:
                await self._answer(scope, body, send)
            except Disconnected:
                abort = (scope.get("extensions") or {}).get(ABORT)
                if abort is not None:
                    abort()
                    await anyio.lowlevel.checkpoint()  # the loss of the connection is noticed before this request ends
            tasks.cancel_scope.cancel()

    async def _answer(self, scope: Message, body: bytes, send: Send) -> None:
        answer = await self.simulator.handle(scope["method"], scope["path"], body)
        try:
            await _send(answer, send)
        finally:
            with anyio.CancelScope(shield=True):
                await answer.aclose()


async def _send(answer: SimAnswer, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    async for chunk in answer.body:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None where the client left before its end or sent too much."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return None
        more = message.get("more_body", False)
    return bytes(body)
