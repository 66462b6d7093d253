"""What the daemon costs when nothing happens, and until something can: wake-ups, memory, starts."""

import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from msgspec import Struct
from processes import BIN, Daemon, innkeepd, megabytes

STARTS = 5


class Quiet(Struct):
    """``empty`` and ``loaded``: wake-ups in 10 s with nothing in memory, and with a model; ``megabytes`` after all."""

    empty: float
    loaded: float
    megabytes: float


def idle(port: int, daemon: Daemon, seconds: float = 60.0) -> Quiet:
    """Nobody is connected; first with the model in memory, then without."""
    time.sleep(5)
    loaded = _wakeups(daemon.pid, seconds)
    with socket.create_connection(("127.0.0.1", port)) as server:
        server.sendall(b"POST /empty HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        server.recv(1000)
    time.sleep(20)  # until the daemon has seen it
    return Quiet(_wakeups(daemon.pid, seconds), loaded, megabytes(daemon.pid))


def _wakeups(pid: int, seconds: float) -> float:
    """In 10 s; switches closer than 0.1 s are one wake-up."""
    woke, before, ends = 0, switches(pid), time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(0.1)
        now = switches(pid)
        woke, before = woke + (now != before), now
    return woke / seconds * 10


def switches(pid: int) -> int:
    """How often any thread of a process went to sleep by itself."""
    lines = (line for task in Path(f"/proc/{pid}/task").glob("*/status") for line in task.read_text().splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def starts(port: int) -> float:
    """Seconds from exec to the first answer, the median of a few."""
    found = []
    for _ in range(STARTS):
        with innkeepd(port, parallel=1) as daemon:
            found.append(daemon.started)
    return statistics.median(found)


def cold_start(env: dict[str, str]) -> tuple[float, float]:
    """Milliseconds of a bare interpreter and of `innkeep status`, in pairs."""
    commands = ([sys.executable, "-I", "-c", "pass"], [str(BIN / "innkeep"), "status"])
    pairs = []
    for _ in range(25):
        pair = []
        for command in commands:
            began = time.perf_counter()
            subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
            pair.append(time.perf_counter() - began)
        pairs.append(pair)
    bare, ours = (statistics.median(pair[side] for pair in pairs) * 1000 for side in (0, 1))
    return bare, ours


def loop_lag(daemon: Daemon) -> dict[str, float]:
    """What the daemon says itself of how long its event loop was held, seconds."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        client.sendall(b'{"type":"status","id":1}\n')
        return dict(json.loads(client.makefile("rb").readline())["loop_lag"])
