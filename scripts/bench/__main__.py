"""`make bench`: what innkeep costs, as ratios in one run. These machines are noisy: compare in pairs, not by absolutes.

Added time to the first token, tokens a second and CPU per token at 32 streams against a direct client of the same
server; memory and wake-ups of the idle daemon; time to the first answer after its start; cold start of the command;
how well waits are foretold.
"""

import contextlib
import json
import os
import random
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


def latency(direct: Direct, through: Through, daemon: int) -> None:
    """First token of one client, both ways in turn."""
    for _ in range(50):
        through.first_token(1)
    before = cpu(daemon)
    pairs = [(direct.first_token(1)[0], through.first_token(1)[0]) for _ in range(REQUESTS)]
    spent = (cpu(daemon) - before) / REQUESTS
    floor, ours = (sorted(pair[side] * 1000 for pair in pairs) for side in (0, 1))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        at = int(share * (len(pairs) - 1))
        added, ratio = ours[at] - floor[at], ours[at] / floor[at]
        told = f"direct {floor[at]:.2f} ms, innkeepd {ours[at]:.2f} ms: {added:.2f} more, ratio {ratio:.1f}"
        print(f"first token {name}: {told}")
    print(f"one request of one token: {spent * 1000:.2f} ms of the daemon's CPU")


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    return sum(psutil.Process(pid).cpu_times()[:2])


def throughput(make: Callable[[], Direct | Through], pid: int) -> tuple[float, float]:
    """Tokens a second over 32 streams, and the CPU seconds of ``pid`` per token."""
    clients = [make() for _ in range(STREAMS)]
    before = cpu(pid)
    began = time.perf_counter()
    threads = [threading.Thread(target=client.first_token, args=(TOKENS,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    return STREAMS * TOKENS / took, (cpu(pid) - before) / (STREAMS * TOKENS)


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


def idle(port: int, daemon: int, seconds: float = 60.0) -> None:
    """Memory and wake-ups with nothing loaded and nobody there; switches closer than 0.1 s are one wake-up."""
    with socket.create_connection(("127.0.0.1", port)) as server:
        server.sendall(b"POST /empty HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        server.recv(1000)
    time.sleep(15)  # until the daemon has seen it
    woke, before, ends = 0, switches(daemon), time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(0.1)
        now = switches(daemon)
        woke, before = woke + (now != before), now
    rss = psutil.Process(daemon).memory_info().rss / 1e6
    print(f"idle after all that: {rss:.0f} MB, {woke / seconds * 10:.1f} wake-ups in 10 s")


def switches(pid: int) -> int:
    """How often any thread of a process went to sleep by itself."""
    lines = (line for task in Path(f"/proc/{pid}/task").glob("*/status") for line in task.read_text().splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


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


def foresight() -> None:
    """What those who wait are told against how long they then wait: a mix of models on a simulated Mac, made fast."""
    with simulated(speed=20) as path:
        pairs: list[tuple[float, float]] = []
        rounds = (random.Random(seed) for seed in range(8))  # noqa: S311 - the same mix each time
        threads = [threading.Thread(target=mixed, args=(path, chance, pairs)) for chance in rounds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    errors = [abs(told - real) / max(told, real) for told, real in pairs]
    share = statistics.mean(error <= 1 / 3 for error in errors)
    print(
        f"waits foretold: median error {statistics.median(errors):.0%} of the wait, {share:.0%} within a third"
        f" ({len(pairs)} waits of {statistics.median(real for _, real in pairs):.1f} s)"
    )


def mixed(path: Path, chance: random.Random, pairs: list[tuple[float, float]]) -> None:
    """One client that asks now this model and now that; the first requests teach, the others are counted."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        lines = client.makefile("rb")
        for number in range(8):
            model = chance.choice(("qwen2.5-coder:32b", "deepseek-r1:32b", "llama3.1:8b"))
            ask = {"type": "chat", "id": number, "model": model, "messages": [{"role": "user", "content": "hi"}]}
            client.sendall(
                json.dumps(ask | {"options": {"num_predict": chance.choice((50, 100, 200))}}).encode() + b"\n"
            )
            told: tuple[float, float] | None = None
            for line in lines:
                reply = json.loads(line)
                if reply["type"] == "waiting" and told is None and reply.get("expected") is not None:
                    told = time.monotonic(), reply["expected"]
                if reply["type"] == "started" and told is not None and number >= 2:
                    real = time.monotonic() - told[0]
                    if real > 0.1:
                        pairs.append((told[1], real))
                if reply["type"] in {"done", "error"}:
                    break
            time.sleep(chance.random())


@contextlib.contextmanager
def upstream() -> Iterator[tuple[int, int]]:
    """The fast server: its port and pid."""
    server = subprocess.Popen([sys.executable, str(HERE / "upstream.py")], stdout=subprocess.PIPE, text=True)
    try:
        told = server.stdout.readline() if server.stdout else ""
        yield int(told), server.pid
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def innkeepd(port: int) -> Iterator[tuple[Path, int, dict[str, str]]]:
    """The daemon before that server: its socket, pid and environment; tells how soon it answered."""
    config = f'[ollama]\nurl = "http://127.0.0.1:{port}"\n[models."{MODEL}"]\nparallel = {STREAMS}\n'
    with daemon_with(config + f'[memory]\nbudget = "27GiB"\n[http]\nport = {free_port()}\n') as (path, pid, env, took):
        print(f"start: {took:.2f} s from exec to the first answer")
        time.sleep(2)
        print(f"memory: {psutil.Process(pid).memory_info().rss / 1e6:.0f} MB after the start, HTTP port included")
        yield path, pid, env


@contextlib.contextmanager
def simulated(speed: int) -> Iterator[Path]:
    """The daemon before a simulated Ollama: its socket."""
    with daemon_with("[http]\nenabled = false\n", "--simulate", "--speed", str(speed)) as (path, *_):
        yield path


@contextlib.contextmanager
def daemon_with(config: str, *options: str) -> Iterator[tuple[Path, int, dict[str, str], float]]:
    """A daemon in a home of its own: socket, pid, environment, seconds until it answered."""
    home = Path(tempfile.mkdtemp(prefix="innkeep-"))
    (home / "config.toml").write_text(config)
    env = {key: value for key, value in os.environ.items() if not key.startswith("INNKEEP")}
    env["INNKEEP_HOME"] = str(home)
    began = time.perf_counter()
    daemon = subprocess.Popen([BIN / "innkeepd", "run", *options], env=env, stderr=subprocess.DEVNULL)
    path = home / "innkeepd.sock"
    try:
        yield path, daemon.pid, env, first_answer(path, began)
    finally:
        daemon.terminate()
        daemon.wait()
        shutil.rmtree(home)


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def first_answer(path: Path, began: float) -> float:
    """Wait for a `status`; seconds since the start."""
    while True:
        try:
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(path))
            client.sendall(b'{"type":"status","id":1}\n')
            client.recv(65_536)
            return time.perf_counter() - began
        except OSError:
            if time.perf_counter() - began > 20:
                sys.exit("innkeepd did not come up")
            time.sleep(0.002)


def main() -> None:
    """Measure and print."""
    with upstream() as (port, server), innkeepd(port) as (path, daemon, env):
        latency(Direct(port), Through(path), daemon)
        streams(port, path, server, daemon)
        idle(port, daemon)
        cold_start(env)
    foresight()


if __name__ == "__main__":
    main()
