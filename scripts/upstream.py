"""A very fast Ollama for measurements: fixed answers, no model, as many tokens as `options.num_predict` asks for.

Not a simulator: it knows one model that is always in memory, until `POST /empty` takes it out. Prints its port and
serves until it is killed.
"""

import asyncio
import json
import sys

NAME = "bench:latest"
DETAILS = {"format": "gguf", "family": "llama", "parameter_size": "8.0B", "quantization_level": "Q4_K_M"}
LINE = json.dumps({"model": NAME, "message": {"role": "assistant", "content": "word "}, "done": False}).encode() + b"\n"
LAST = {"model": NAME, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
BURST = 8
"""Tokens in one write of a long answer."""


def _plain(body: object) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
FIXED = {
    "/api/version": _plain({"version": "0.17.4"}),
    "/api/tags": _plain({"models": [{"name": NAME, "size": 4_920_753_328, "digest": "b" * 64, "details": DETAILS}]}),
    "/api/show": _plain(
        {
            "modelfile": "FROM /blobs/sha256-" + "c" * 64,
            "details": DETAILS,
            "capabilities": ["completion"],
            "model_info": {"general.architecture": "llama", "llama.block_count": 32, "llama.context_length": 8192},
        }
    ),
    "/api/ps": _plain(
        {
            "models": [
                {
                    "name": NAME,
                    "size": 5_700_000_000,
                    "digest": "b" * 64,
                    "context_length": 8192,
                    "expires_at": "2099-01-01T00:00:00Z",
                }
            ]
        }
    ),
    "/api/generate": _plain({"model": NAME, "response": "", "done": True, "done_reason": "load"}),
    "/empty": _plain({}),
}


class Upstream(asyncio.Protocol):
    """One kept connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP gives a full transport
        self.buffer = b""
        self.readable = asyncio.Event()
        self.readable.set()

    def pause_writing(self) -> None:
        """The reader is slow."""
        self.readable.clear()

    def resume_writing(self) -> None:
        """It goes on."""
        self.readable.set()

    def data_received(self, data: bytes) -> None:
        """A request, once its body is whole."""
        self.buffer += data
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        length = next(
            (int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length")), 0
        )
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        path = head.split(b" ", 2)[1].decode()
        if path == "/empty":
            FIXED["/api/ps"] = _plain({"models": []})
        if path != "/api/chat":
            self.transport.write(FIXED[path])
            return
        tokens = int((json.loads(rest[:length]).get("options") or {}).get("num_predict", 1))
        last = LAST | {
            "prompt_eval_count": 10,
            "eval_count": tokens,
            "prompt_eval_duration": 1000,
            "eval_duration": 1000,
        }
        end = _chunk(json.dumps(last).encode() + b"\n") + b"0\r\n\r\n"
        if tokens <= BURST:
            self.transport.write(HEAD + _chunk(LINE) * tokens + end)
        else:
            self.task = asyncio.ensure_future(self._long(tokens, end))

    async def _long(self, tokens: int, end: bytes) -> None:
        self.transport.write(HEAD)
        for _ in range(tokens // BURST):
            self.transport.write(_chunk(LINE) * BURST)
            await self.readable.wait()
            await asyncio.sleep(0)
        self.transport.write(end)


async def main() -> None:
    """Serve."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
