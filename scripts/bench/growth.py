"""What a request costs while 1, 10, 100 and 1,000 clients wait for one model that answers one at a time."""

import selectors
import socket
import struct
import time
from pathlib import Path

from msgspec import Struct, msgpack
from processes import MODEL, Daemon, at, cpu, innkeepd, upstream

LEVELS = (1, 10, 100, 1000)
SECONDS = 3.0
"""Of each level."""
PACK = msgpack.Encoder()
DONE, ERROR, STARTED = b"\xa4done", b"\xa5error", b"\xa7started"


class Level(Struct):
    """In ms: ``cpu`` of the daemon a request; ``gap_p50`` and ``gap_p99`` from one's end to the next one's start."""

    waiting: int
    requests: int
    cpu: float
    gap_p50: float
    gap_p99: float


def growth() -> list[Level]:
    """Each level with a daemon of its own."""
    levels = []
    for waiting in LEVELS:
        with upstream() as (port, _), innkeepd(port, parallel=1) as daemon:
            levels.append(_level(daemon, waiting))
    return levels


def _level(daemon: Daemon, waiting: int) -> Level:
    crowd = Crowd(daemon.socket, waiting)
    crowd.run(1.0)
    before, served = cpu(daemon.pid), crowd.served
    crowd.gaps.clear()
    crowd.run(SECONDS)
    requests = max(1, crowd.served - served)
    spent = (cpu(daemon.pid) - before) / requests
    crowd.close()
    gaps = crowd.gaps or [float("nan")]
    return Level(waiting, requests, spent * 1e3, at(gaps, 0.5) * 1e3, at(gaps, 0.99) * 1e3)


def waiting_alone(daemon: Daemon, waiting: int, seconds: float = 10.0) -> float:
    """Share of a core that the daemon takes while so many wait for one long answer: nothing happens but reports."""
    long = Crowd(daemon.socket, 1, tokens=int((seconds + 20) * 1e6))
    long.run(0.5)
    crowd = Crowd(daemon.socket, waiting)
    crowd.run(3.0)
    before = cpu(daemon.pid)
    crowd.run(seconds)
    share = (cpu(daemon.pid) - before) / seconds
    crowd.close()
    long.close()
    return share


class Crowd:
    """So many clients, each a connection of its own, that ask again as soon as they are answered."""

    def __init__(self, path: Path, many: int, tokens: int = 1) -> None:
        self.served = 0
        self.gaps: list[float] = []
        self._ended_at = 0.0
        self._ask = _framed(
            {"type": "chat", "id": 1, "model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
            | {"options": {"num_predict": tokens}}
        )
        self._selector = selectors.DefaultSelector()
        self._tails: dict[socket.socket, bytes] = {}
        for _ in range(many):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(path))
            self._tails[client] = b""
            self._selector.register(client, selectors.EVENT_READ)
            client.sendall(self._ask)

    def run(self, seconds: float) -> None:
        """Go on for so long."""
        ends = time.perf_counter() + seconds
        while (left := ends - time.perf_counter()) > 0:
            for key, _ in self._selector.select(left):
                self._read(key.fileobj)  # type: ignore[arg-type]  # only sockets were registered

    def _read(self, client: socket.socket) -> None:
        piece = client.recv(65_536)
        if not piece or ERROR in piece:
            raise SystemExit(f"the daemon failed: {piece!r}")
        data = self._tails[client] + piece
        if STARTED in data and self._ended_at:
            self.gaps.append(time.perf_counter() - self._ended_at)
            self._ended_at = 0.0
        if DONE in data:
            self.served += 1
            self._ended_at = time.perf_counter()
            client.sendall(self._ask)
            data = b""
        self._tails[client] = data[-400:]

    def close(self) -> None:
        """Leave the queue."""
        self._selector.close()
        for client in self._tails:
            client.close()


def _framed(message: dict[str, object]) -> bytes:
    body = PACK.encode(message)
    return struct.pack(">I", len(body)) + body


if __name__ == "__main__":
    for level in growth():
        print(level)
    with upstream() as (port, _), innkeepd(port, parallel=1) as daemon:
        print(f"1,000 waiting: {waiting_alone(daemon, 1000):.1%} of a core")
