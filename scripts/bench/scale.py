"""Many connections, many watchers, many models: memory, how soon others are answered, what an event costs."""

import resource
import selectors
import socket
import time
from pathlib import Path

from msgspec import Struct
from processes import Daemon, at, cpu, innkeepd, megabytes, upstream

from clients import Frames

CONNECTIONS, WATCHERS, MODELS = 5000, 1000, 100
HELLO = b'{"type":"hello","id":1,"protocol":1,"client":"bench"}\n'
WATCH = b'{"type":"watch","id":1,"kinds":["request"]}\n'


class Scale(Struct):
    """``megabytes`` more than without; ``status_p50`` and ``first_p50`` in ms; ``cpu_request`` ms of CPU a request."""

    megabytes: float
    status_p50: float
    first_p50: float
    cpu_request: float


def scale() -> dict[str, Scale]:
    """Each case with a daemon of its own."""
    allow_descriptors()
    found: dict[str, Scale] = {}
    with upstream() as (port, _), innkeepd(port, parallel=4) as daemon:
        found["alone"] = _measured(daemon, 0.0)
        found[f"{CONNECTIONS:,} connections"] = _crowded(daemon, CONNECTIONS, HELLO)
    with upstream() as (port, _), innkeepd(port, parallel=4) as daemon:
        found[f"{WATCHERS:,} watchers"] = _crowded(daemon, WATCHERS, WATCH)
    with upstream(MODELS) as (port, _), innkeepd(port, parallel=4) as daemon:
        found[f"{MODELS} models"] = _measured(daemon, 0.0)
    return found


def allow_descriptors() -> None:
    """Allow this process, and the daemons that it starts, as many open files as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _crowded(daemon: Daemon, many: int, words: bytes) -> Scale:
    before = megabytes(daemon.pid)
    crowd = Idle(daemon.socket, many, words)
    crowd.read(2.0)
    found = _measured(daemon, before, crowd)
    crowd.close()
    return found


def _measured(daemon: Daemon, before: float, crowd: "Idle | None" = None, count: int = 50) -> Scale:
    asker, first = Frames(daemon.socket), []
    asker.first_token(1)
    spent = cpu(daemon.pid)
    for _ in range(count):
        first.append(asker.first_token(1)[0])
        if crowd is not None:
            crowd.read(0.0)
    time.sleep(0.5)  # events still go out to those who watch
    spent = (cpu(daemon.pid) - spent) / count
    asker.close()
    status = [_status(daemon.socket) for _ in range(count)]
    more = megabytes(daemon.pid) - before
    return Scale(more, at(status, 0.5) * 1e3, at(first, 0.5) * 1e3, spent * 1e3)


def _status(path: Path) -> float:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        began = time.perf_counter()
        client.sendall(b'{"type":"status","id":1}\n')
        client.makefile("rb").readline()
        return time.perf_counter() - began


class Idle:
    """So many connections that say one thing and then only read."""

    def __init__(self, path: Path, many: int, words: bytes) -> None:
        self._selector = selectors.DefaultSelector()
        self._clients: list[socket.socket] = []
        for _ in range(many):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(path))
            client.sendall(words)
            self._clients.append(client)
            self._selector.register(client, selectors.EVENT_READ)

    def read(self, quiet: float) -> None:
        """Read what has come, until nothing comes for so long."""
        while found := self._selector.select(quiet):
            for key, _ in found:
                data = key.fileobj.recv(65_536)  # type: ignore[union-attr]  # only sockets were registered
                if not data or b'"queue_full"' in data:
                    raise SystemExit(f"a connection of many was refused: {data!r}")

    def close(self) -> None:
        """Close them all."""
        self._selector.close()
        for client in self._clients:
            client.close()


if __name__ == "__main__":
    for name, each in scale().items():
        print(name, each)
