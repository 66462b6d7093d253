"""What watching costs: `python scripts/bench/watchers.py` measures dashboards and `innkeep top`'s watch.

CPU of the daemon at ten requests a second with no page open and with one, in turn, so that the machine's own noise
falls on both; the first token of a chat and its slowest hundredth with none and with a hundred pages open; memory; and
wake-ups of an idle daemon with nobody there and with one page open. Each request is an event and some changes besides.
"""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from processes import MODEL, Daemon, cpu, innkeepd, megabytes, upstream

ROUNDS = int(os.environ.get("INNKEEP_BENCH_ROUNDS", "4"))
SECONDS = float(os.environ.get("INNKEEP_BENCH_SECONDS", "10"))
RATE = 10.0
MANY = 100

READER = """
import selectors, socket, sys
port, number = int(sys.argv[1]), int(sys.argv[2])
selector, total = selectors.DefaultSelector(), 0
for _ in range(number):
    page = socket.create_connection(("127.0.0.1", port))
    page.sendall(b"GET /ui/events HTTP/1.1\\r\\nhost: 127.0.0.1\\r\\nsec-fetch-site: same-origin\\r\\n\\r\\n")
    selector.register(page, selectors.EVENT_READ)
first = set()
while True:
    for key, _ in selector.select():
        data = key.fileobj.recv(1 << 20)
        if not data:
            sys.exit("the daemon closed a page")
        if key.fd not in first:
            first.add(key.fd)
            if len(first) == number:
                print("open", flush=True)
"""
"""Pages in a process of their own, so that reading them costs the daemon nothing."""


@contextlib.contextmanager
def pages(daemon: Daemon, number: int) -> Iterator[None]:
    """So many dashboards that read what they are sent."""
    if not number:
        yield
        return
    reader = subprocess.Popen([sys.executable, "-c", READER, str(daemon.port), str(number)], stdout=subprocess.PIPE)
    try:
        if reader.stdout is None or not reader.stdout.readline():
            sys.exit("the pages did not open")
        yield
    finally:
        reader.kill()
        reader.wait()


class Chat:
    """A client of the socket in its dialect of lines."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._reader = self._socket.makefile("rb")

    def close(self) -> None:
        """Leave."""
        self._reader.close()
        self._socket.close()

    def send(self, ask: dict[str, object]) -> bytes:
        """Send a request and read one reply."""
        self._socket.sendall(json.dumps(ask).encode() + b"\n")
        return self._reader.readline()

    def first_token(self) -> float:
        """Ask for one token; seconds to the first piece."""
        ask = {"type": "chat", "id": 1, "model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
        line = json.dumps(ask | {"options": {"num_predict": 1}}) + "\n"
        began, first = time.perf_counter(), 0.0
        self._socket.sendall(line.encode())
        for reply in self._reader:
            if not first and b'"delta"' in reply:
                first = time.perf_counter() - began
            if b'"type":"done"' in reply:
                return first
            if b'"type":"error"' in reply:
                sys.exit(f"the daemon failed: {reply!r}")
        sys.exit("the daemon closed the connection")


def paced(chat: Chat, seconds: float) -> list[float]:
    """Ten requests a second for a while; the first tokens, in seconds."""
    found, began = [], time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        found.append(chat.first_token())
        time.sleep(max(0.0, (len(found)) / RATE - passed))
    return found


def load(daemon: Daemon, chat: Chat, number: int) -> tuple[float, list[float]]:
    """Share of a core that the daemon takes with so many pages open, and the first tokens."""
    with pages(daemon, number):
        paced(chat, 1.0)
        before, began = cpu(daemon.pid), time.perf_counter()
        firsts = paced(chat, SECONDS)
        return (cpu(daemon.pid) - before) / (time.perf_counter() - began), firsts


def wake_ups(daemon: Daemon, seconds: float) -> float:
    """How often in ten seconds a thread of the daemon went to sleep by itself; closer than 0.1 s counts once."""
    woke, before, ends = 0, _switches(daemon.pid), time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(0.1)
        now = _switches(daemon.pid)
        woke, before = woke + (now != before), now
    return woke / seconds * 10


def _switches(pid: int) -> int:
    lines = (line for task in Path(f"/proc/{pid}/task").glob("*/status") for line in task.read_text().splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))


def main() -> None:
    """Measure and print."""
    with upstream() as (port, _), innkeepd(port, parallel=4) as daemon:
        chat = Chat(daemon.socket)
        paced(chat, 2.0)
        print(f"memory, no page: {megabytes(daemon.pid):.1f} MB")
        shares: dict[int, list[float]] = {0: [], 1: [], MANY: []}
        firsts: dict[int, list[float]] = {0: [], 1: [], MANY: []}
        for _ in range(ROUNDS):
            for number, found_shares in shares.items():
                share, found = load(daemon, chat, number)
                found_shares.append(share)
                firsts[number] += found
        base = statistics.median(shares[0])
        for number, each in shares.items():
            share, waits = statistics.median(each), sorted(firsts[number])
            p50, p99 = (waits[int(part * (len(waits) - 1))] * 1000 for part in (0.5, 0.99))
            print(
                f"{number:3} pages at {RATE:.0f} requests/s: {share:.2%} of a core ({share - base:+.2%}), "
                f"first token p50 {p50:.2f} ms, p99 {p99:.2f} ms"
            )
        print(f"memory after {MANY} pages: {megabytes(daemon.pid):.1f} MB")
        with pages(daemon, 1):
            print(f"wake-ups in 10 s, one page open and nothing happens: {wake_ups(daemon, 3 * SECONDS):.1f}")
        chat.send({"type": "unload", "id": 1, "all": True})
        chat.close()
        time.sleep(20)  # until Ollama is asked rarely
        print(f"wake-ups in 10 s, nothing in memory, nobody there: {wake_ups(daemon, 6 * SECONDS):.1f}")
        print(f"memory then: {megabytes(daemon.pid):.1f} MB")


if __name__ == "__main__":
    main()
