"""How long one request keeps everybody else waiting: large bodies, each with another client that asks all the time.

The other client asks for a `hello` again and again; its longest wait is what the large request cost it. The machine's
own noise is in it, and of the client that sends: the first line is the longest wait while nothing happens.
"""

import http.client
import json
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable

from msgspec import msgpack
from processes import MODEL, Daemon, innkeepd, upstream

MB = 1_000_000
WORDS = "the quick brown fox jumps over a lazy dog and 안녕하세요 def main(): return [x for x in range(3)]\n"


OTHER = """
import socket, sys, time
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
lines, waits, over = client.makefile("rb"), [], time.perf_counter() + float(sys.argv[2])
print(flush=True)
while time.perf_counter() < over:
    began = time.perf_counter()
    client.sendall(b'{"type":"hello","id":1,"protocol":1,"client":"bench"}\\n')
    lines.readline()
    waits.append(time.perf_counter() - began)
    time.sleep(0.001)
print(max(waits), sorted(waits)[int(len(waits) * 0.99)])
"""
"""The other client, a process of its own: for so many seconds; prints its longest wait and the 99th percentile."""


def holds() -> dict[str, tuple[float, float]]:
    """Seconds by case: the other client's longest wait, and how long the request itself took."""
    found: dict[str, tuple[float, float]] = {}
    with upstream() as (port, _), innkeepd(port, parallel=4) as daemon:
        _ask(daemon, "hi")
        for name, act in cases(daemon).items():
            found[name] = _held(daemon, act)
    return found


def cases(daemon: Daemon) -> dict[str, Callable[[], object]]:
    """Each large request by its name."""
    rng = random.Random(1)  # noqa: S311 - the same each time
    words = " ".join(rng.choice(WORDS.split()) for _ in range(MB // 5))[: MB // 2]  # some of them have three bytes
    image = "iVBORw0KGgo" + "A" * (8 * MB)
    fields = {f"p{number}": {"type": "string", "description": "x" * 40} for number in range(20)}
    schema = {"description": words[:2000], "parameters": {"type": "object", "properties": fields}}
    tools = [{"type": "function", "function": {"name": f"f{number}"} | schema} for number in range(200)]
    native, openai = "/api/chat", "/v1/chat/completions"
    return {
        "nothing": lambda: time.sleep(2),
        "socket: text of 1 MB": lambda: _ask(daemon, words * 2),
        "socket: text of 16 MB": lambda: _ask(daemon, words * 26),
        "socket: routed, 1 MB": lambda: _ask(daemon, words * 2, model=None),
        "http: text of 1 MB": lambda: _post(daemon, native, _chat(words * 2)),
        "http: text of 16 MB": lambda: _post(daemon, native, _chat(words * 26)),
        "http: image of 8 MB": lambda: _post(daemon, native, _chat("see", images=[image])),
        "http: images of 64 MB": lambda: _post(daemon, native, _chat("see", images=[image] * 7)),
        "http: 200 tools, 0.7 MB": lambda: _post(daemon, native, _chat("hi", tools=tools)),
        "/v1: text of 1 MB": lambda: _post(daemon, openai, _chat(words * 2)),
        "/v1: text of 16 MB": lambda: _post(daemon, openai, _chat(words * 26)),
        "/v1: 200 tools, 0.7 MB": lambda: _post(daemon, openai, _chat("hi", tools=tools)),
        "history of 1,000": lambda: _verb(daemon, {"type": "history", "id": 1, "limit": 1000}),
        "one-line answer of 40 MB, renamed": lambda: _post(
            daemon, native, _chat("hi") | {"stream": False, "options": {"num_predict": 8_000_000}, "model": "bench"}
        ),
    }


def _held(daemon: Daemon, act: Callable[[], object]) -> tuple[float, float]:
    command = [sys.executable, "-c", OTHER, str(daemon.socket), "2.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        lines = other.stdout or ()
        next(iter(lines))
        began = time.perf_counter()
        act()
        took = time.perf_counter() - began
        longest = next(iter(lines)).split()[0]
    return float(longest), took


def _chat(text: str, *, tools: object = None, **message: object) -> dict[str, object]:
    body: dict[str, object] = {"model": MODEL, "messages": [{"role": "user", "content": text} | message]}
    return body | ({"tools": tools} if tools else {}) | {"options": {"num_predict": 1}}


def _ask(daemon: Daemon, text: str, model: str | None = MODEL) -> bytes:
    message = {"type": "chat", "id": 1, "messages": [{"role": "user", "content": text}], "options": {"num_predict": 1}}
    return _verb(daemon, message | ({"model": model} if model else {}))


def _verb(daemon: Daemon, message: dict[str, object]) -> bytes:
    body = msgpack.encode(message)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        client.sendall(struct.pack(">I", len(body)) + body)
        client.shutdown(socket.SHUT_WR)
        got = b""
        while piece := client.recv(MB):
            got = (got + piece)[-2000:]
    return got


def _post(daemon: Daemon, path: str, body: dict[str, object]) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=120)
    connection.request("POST", path, json.dumps(body).encode(), {"content-type": "application/json"})
    answer = connection.getresponse()
    got = answer.read()
    connection.close()
    return b"%d " % answer.status + got[-300:]


def main() -> None:
    """Measure and print."""
    for name, (longest, took) in holds().items():
        print(f"{name:36} {longest * 1e3:8.1f} ms held, {took * 1e3:8.0f} ms in all")


if __name__ == "__main__":
    main()
