"""What an HTTP port answers that the service manager holds open and that the daemon cannot serve.

Nobody else would accept there: a client would wait until its own patience ends.
"""

import json
from socket import socket

import anyio
from anyio.abc import ByteStream, SocketListener

READ_WITHIN = 5.0
"""Seconds that a client has to send the beginning of its request."""


async def refuse(raw: socket, why: str) -> None:
    """Answer every connection with status 503 and the reason until cancelled; ``raw`` itself stays open."""
    body = json.dumps({"error": why}, ensure_ascii=False).encode()
    head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    answer = f"{head}connection: close\r\n\r\n".encode() + body

    async def tell(stream: ByteStream) -> None:
        async with stream:
            try:
                with anyio.fail_after(READ_WITHIN):
                    await stream.receive()
                    await stream.send(answer)
            except (anyio.EndOfStream, anyio.BrokenResourceError, TimeoutError):
                return

    async with await SocketListener.from_socket(raw.dup()) as listener:
        await listener.serve(tell)
