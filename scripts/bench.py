"""`make bench`: what innkeep costs, as ratios in one run. These machines are noisy: compare in pairs, never by absolute times.

Added time to the first token, tokens a second and CPU per token at 32 streams against a direct client of the same server; memory
and wake-ups of the idle daemon; time to the first answer after its start; cold start of the command; how well waits are foretold.
"""

import contextlib
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil

BIN = Path(sys.executable).parent
HERE = Path(__file__).parent
REQUESTS = int(os.environ.get("INNKEEP_BENCH_REQUESTS", "400"))
STREAMS, TOKENS = 32, 2000
MODEL = "bench:latest"
PACK = msgspec.msgpack.Encoder()


class Direct:
    """A client of the server itself: one kept connection, nothing but a socket."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def first_token(self, tokens: int) -> tuple[float, int]:
        """Seconds to the first token, and bytes until the end."""
        body = json.dumps(
            {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "options": {"num_predict": tokens}}
        )
        data = f"POST /api/chat HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        began = time.perf_counter()
        self._socket.sendall(data)
        got, first = b"", 0.0
        while not got.endswith(b"0\r\n\r\n"):
            piece = self._socket.recv(262_144)
            if not first and b'"content"' in got[-200:] + piece:
                first = time.perf_counter() - began
            got = got[-200:] + piece
        return first, len(got)


class Through:
    """The same question over innkeepd's socket, in frames."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._id = 0

    def first_token(self, tokens: int) -> tuple[float, int]:
        """Seconds to the first ``delta``, and bytes until ``done``."""
        self._id += 1
        ask = {"type": "chat", "id": self._id, "model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
        body = PACK.encode(ask | {"options": {"num_predict": tokens}})
        began = time.perf_counter()
        self._socket.sendall(struct.pack(">I", len(body)) + body)
        first, tail, total = 0.0, b"", 0
        while b"\xa4done" not in tail:
            piece = self._socket.recv(262_144)
            if not piece or b"\xa5error" in piece:
                sys.exit(f"the daemon failed: {piece!r}")
            if not first and b"\xa5delta" in tail + piece:
                first = time.perf_counter() - began
            total += len(piece)
            tail = (tail + piece)[-400:]
        return first, total


def latency(direct: Direct, through: Through) -> None:
    """First token of one client, both ways in turn."""
    pairs: list[tuple[float, float]] = []
    for number in range(REQUESTS + 50):
        pair = (direct.first_token(1)[0], through.first_token(1)[0])
        if number >= 50:
            pairs.append(pair)
    floor, ours = (sorted(pair[side] * 1000 for pair in pairs) for side in (0, 1))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        at = int(share * (len(pairs) - 1))
        print(
            f"first token {name}: direct {floor[at]:.2f} ms, through innkeepd {ours[at]:.2f} ms, ratio {ours[at] / floor[at]:.1f}"
        )


def throughput(make: Callable[[], Direct | Through], pid: int) -> tuple[float, float]:
    """Tokens a second over 32 streams, and the CPU seconds of ``pid`` per token."""
    clients = [make() for _ in range(STREAMS)]
    process = psutil.Process(pid)
    before = sum(process.cpu_times()[:2])
    began = time.perf_counter()
    threads = [threading.Thread(target=client.first_token, args=(TOKENS,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    return STREAMS * TOKENS / took, (sum(process.cpu_times()[:2]) - before) / (STREAMS * TOKENS)


def streams(port: int, path: Path, upstream: int, daemon: int) -> None:
    """32 streams both ways in turn, three rounds, medians."""
    rounds = [
        (throughput(lambda: Direct(port), upstream)[0], throughput(lambda: Through(path), daemon)) for _ in range(3)
    ]
    floor = statistics.median(each[0] for each in rounds)
    ours = statistics.median(each[1][0] for each in rounds)
    cpu = statistics.median(each[1][1] for each in rounds)
    print(f"{STREAMS} streams: direct {floor:,.0f} tokens/s, through innkeepd {ours:,.0f}, ratio {floor / ours:.1f}")
    print(f"{STREAMS} streams: {cpu * 1e6:.1f} us of the daemon's CPU per token")


def idle(daemon: int, seconds: float = 20.0) -> None:
    """Memory and wake-ups with nobody there."""
    process = psutil.Process(daemon)
    time.sleep(3)
    before = process.num_ctx_switches().voluntary
    time.sleep(seconds)
    woke = process.num_ctx_switches().voluntary - before
    print(f"idle: {process.memory_info().rss / 1e6:.0f} MB, {woke / seconds * 10:.1f} wake-ups in 10 s")


def cold_start(env: dict[str, str]) -> None:
    """`innkeep status` against a bare interpreter, in pairs."""
    commands = ([sys.executable, "-I", "-c", "pass"], [str(BIN / "innkeep"), "status"])
    pairs = []
    for _ in range(25):
        pair = []
        for command in commands:
            began = time.perf_counter()
            subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
            pair.append(time.perf_counter() - began)
        pairs.append(pair)
    ratio = statistics.median(ours / bare for bare, ours in pairs)
    bare, ours = (statistics.median(pair[side] for pair in pairs) * 1000 for side in (0, 1))
    print(f"cold start: `python -I -c pass` {bare:.0f} ms, `innkeep status` {ours:.0f} ms, ratio {ratio:.1f}")


@contextlib.contextmanager
def upstream() -> Iterator[tuple[int, int]]:
    """The fast server: its port and pid."""
    server = subprocess.Popen([sys.executable, str(HERE / "upstream.py")], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline()), server.pid
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def innkeepd(port: int) -> Iterator[tuple[Path, int, dict[str, str]]]:
    """The daemon before that server: its socket, pid and environment; tells how soon it answered."""
    home = Path(tempfile.mkdtemp(prefix="innkeep-"))
    config = f'[ollama]\nurl = "http://127.0.0.1:{port}"\n[http]\nenabled = false\n[models."{MODEL}"]\nparallel = {STREAMS}\n'
    (home / "config.toml").write_text(config + '[memory]\nbudget = "27GiB"\n')
    env = {key: value for key, value in os.environ.items() if not key.startswith("INNKEEP")} | {
        "INNKEEP_HOME": str(home)
    }
    began = time.perf_counter()
    daemon = subprocess.Popen([BIN / "innkeepd", "run"], env=env, stderr=subprocess.DEVNULL)
    path = home / "innkeepd.sock"
    try:
        first_answer(path, began)
        yield path, daemon.pid, env
    finally:
        daemon.terminate()
        daemon.wait()
        shutil.rmtree(home)


def first_answer(path: Path, began: float) -> None:
    """Wait for a `status`, and tell how long it took since the start."""
    while True:
        try:
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(path))
            client.sendall(b'{"type":"status","id":1}\n')
            client.recv(65_536)
            break
        except OSError:
            if time.perf_counter() - began > 20:
                sys.exit("innkeepd did not come up")
            time.sleep(0.002)
    print(f"start: {time.perf_counter() - began:.2f} s from exec to the first answer")


def main() -> None:
    """Measure and print."""
    with upstream() as (port, server), innkeepd(port) as (path, daemon, env):
        time.sleep(1)
        latency(Direct(port), Through(path))
        streams(port, path, server, daemon)
        idle(daemon)
        cold_start(env)


if __name__ == "__main__":
    main()
