"""What is measured: the fast server, the daemon before it, and what a process has used."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from msgspec import Struct

BIN = Path(sys.executable).parent
HERE = Path(__file__).parent
MODEL = "bench:latest"
UP_WITHIN = 30.0
"""Seconds in which the daemon must answer."""


class Daemon(Struct):
    """A daemon that runs: where it listens, its environment, and the seconds from exec to its first answer."""

    socket: Path
    port: int
    pid: int
    env: dict[str, str]
    started: float


@contextlib.contextmanager
def upstream(models: int = 1, port: int = 0) -> Iterator[tuple[int, int]]:
    """The fast server: its port (0: any) and pid."""
    server = subprocess.Popen(
        [sys.executable, str(HERE / "upstream.py"), str(models), str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        line = server.stdout.readline() if server.stdout else ""
        yield int(line), server.pid
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def innkeepd(port: int, *, parallel: int, more: str = "") -> Iterator[Daemon]:
    """The daemon before the fast server, which answers ``parallel`` requests at once; ``more`` configuration."""
    config = (
        f'[ollama]\nurl = "http://127.0.0.1:{port}"\n[models."{MODEL}"]\nparallel = {parallel}\n'
        f'[memory]\nbudget = "27GiB"\n[schedule]\nqueue_limit = 10000\n{more}'
    )
    with daemon_with(config) as daemon:
        yield daemon


@contextlib.contextmanager
def daemon_with(config: str, *options: str) -> Iterator[Daemon]:
    """A daemon in a home of its own."""
    home, port = Path(tempfile.mkdtemp(prefix="innkeep-")), free_port()
    (home / "config.toml").write_text(f"{config}[http]\nport = {port}\n")
    env = {key: value for key, value in os.environ.items() if not key.startswith("INNKEEP")}
    env["INNKEEP_HOME"] = str(home)
    began = time.perf_counter()
    process = subprocess.Popen([BIN / "innkeepd", "run", *options], env=env, stderr=subprocess.DEVNULL)
    path = home / "innkeepd.sock"
    try:
        yield Daemon(path, port, process.pid, env, first_answer(path, began))
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(home)


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def first_answer(path: Path, began: float) -> float:
    """Wait for a `status`; seconds since the start."""
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b'{"type":"status","id":1}\n')
                client.recv(65_536)
                return time.perf_counter() - began
        except OSError:
            if time.perf_counter() - began > UP_WITHIN:
                sys.exit("innkeepd did not come up")
            time.sleep(0.002)


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used: from the scheduler's own clock where there is one, else in ticks."""
    try:
        stats = [(task / "schedstat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int(stat.split()[0]) for stat in stats) / 1e9
    except OSError:
        return sum(psutil.Process(pid).cpu_times()[:2])


def megabytes(pid: int) -> float:
    """Memory that a process holds."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def at(values: list[float], share: float) -> float:
    """The value below which so large a share of the values lies."""
    ordered = sorted(values)
    return ordered[int(share * (len(ordered) - 1))]
