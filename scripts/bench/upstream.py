"""A very fast Ollama for measurements: fixed answers, no model, as many tokens as `options.num_predict` asks for.

Not a simulator: it knows models (an argument says how many) of which the first is always in memory, until `POST /empty`
takes it out. A million tokens or more are a pause: so many microseconds, then one token. `/v1/chat/completions` is
answered too, so that a proxy of that protocol can be measured beside. Prints its port and serves until it is killed.
"""

import asyncio
import json
import sys
from typing import Any

NAME = "bench:latest"
DETAILS = {"format": "gguf", "family": "llama", "parameter_size": "8.0B", "quantization_level": "Q4_K_M"}
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 0
NAMES = [NAME, *(f"bench{number}:latest" for number in range(1, COUNT))]
PAUSE = 1_000_000
"""From so many tokens on they are microseconds of a pause."""
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
EVENTS = HEAD.replace(b"application/x-ndjson", b"text/event-stream")
DELTA = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "word "}}]}).encode() + b"\n\n"
DONE = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
FIXED = {
    "/api/version": _plain({"version": "0.17.4"}),
    "/api/tags": _plain(
        {
            "models": [
                {"name": name, "size": 4_920_753_328, "digest": f"{number:064x}", "details": DETAILS}
                for number, name in enumerate(NAMES)
            ]
        }
    ),
    "/api/ps": _plain(
        {
            "models": [
                {
                    "name": NAME,
                    "size": 5_700_000_000,
                    "digest": "0" * 64,
                    "context_length": 8192,
                    "expires_at": "2099-01-01T00:00:00Z",
                }
            ]
        }
    ),
    "/api/generate": _plain({"model": NAME, "response": "", "done": True, "done_reason": "load"}),
    "/empty": _plain({}),
}


def _shown(name: str) -> bytes:
    return _plain(
        {
            "modelfile": f"FROM /blobs/sha256-{NAMES.index(name) if name in NAMES else 0:064x}",
            "details": DETAILS,
            "capabilities": ["completion", "tools", "vision"],
            "model_info": {"general.architecture": "llama", "llama.block_count": 32, "llama.context_length": 131072},
        }
    )


class Upstream(asyncio.Protocol):
    """One kept connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP gives a full transport
        self.buffer = bytearray()
        self.awaited = 0
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
        if len(self.buffer) < self.awaited:
            return
        head, mark, rest = self.buffer[:8192].partition(b"\r\n\r\n")
        if not mark:
            return
        length = next(
            (int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length")), 0
        )
        self.awaited = len(head) + 4 + length
        if len(self.buffer) < self.awaited:
            return
        rest = bytes(self.buffer[len(head) + 4 : self.awaited])
        del self.buffer[: self.awaited]
        self.awaited = 0
        path = head.split(b" ", 2)[1].decode()
        if path == "/empty":
            FIXED["/api/ps"] = _plain({"models": []})
        if path == "/api/show":
            self.transport.write(_shown(json.loads(rest).get("model", NAME)))
        elif path in {"/api/chat", "/v1/chat/completions"}:
            self._chat(json.loads(rest), is_openai=path.startswith("/v1"))
        else:
            self.transport.write(FIXED[path])

    def _chat(self, body: dict[str, Any], *, is_openai: bool) -> None:
        tokens = int(body.get("max_tokens") or (body.get("options") or {}).get("num_predict", 1))
        if is_openai:
            head, line, end = EVENTS, DELTA, _chunk(DONE) + b"0\r\n\r\n"
        else:
            figures = {
                "prompt_eval_count": 10,
                "eval_count": tokens,
                "prompt_eval_duration": 1000,
                "eval_duration": 1000,
            }
            head, line, end = HEAD, LINE, _chunk(json.dumps(LAST | figures).encode() + b"\n") + b"0\r\n\r\n"
        if tokens <= BURST:
            self.transport.write(head + _chunk(line) * tokens + end)
        else:
            self.task = asyncio.ensure_future(self._long(tokens, head, line, end))

    async def _long(self, tokens: int, head: bytes, line: bytes, end: bytes) -> None:
        if tokens >= PAUSE:
            await asyncio.sleep(tokens / PAUSE)
            tokens = BURST
        self.transport.write(head)
        for _ in range(tokens // BURST):
            self.transport.write(_chunk(line) * BURST)
            await self.readable.wait()
            await asyncio.sleep(0)
        self.transport.write(end)


async def main() -> None:
    """Serve."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", PORT)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
