"""The processes that hold Ollama's models: which there are, what each holds, which a killed Ollama left behind.

``/api/ps`` tells what a model took at its load and nothing of what it took since: llama-server keeps up to 8 GiB of old
conversations, a runner's heap grows. A runner is a child of the process that listens at Ollama's address; which model
it has is told by the blob on its command line. Only processes of one's own user can be looked at.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import anyio
import psutil
from msgspec import Struct

from innkeepd.machine.darwin import Kernel, KernelError

DEFAULT_PARALLEL = 1
"""Requests that Ollama answers at once for a model where ``OLLAMA_NUM_PARALLEL`` is not set (0.17.4, 0.33.0)."""

_BLOB = re.compile(r"sha256-[0-9a-f]{64}")
_KB = re.compile(rb"^(Pss|SwapPss|Pss_Anon|Pss_Shmem|Private_Dirty):\s+(\d+) kB", re.MULTILINE)


class Runner(Struct, frozen=True):
    """A process that holds a model. ``weights``: as ``Model.weights``, None where its command line tells none.

    ``total`` and ``private`` in bytes, ``private`` without pages that are mapped from files; None: not to be had.
    """

    pid: int
    name: str
    weights: str | None = None
    total: int | None = None
    private: int | None = None


class Runners(Struct, frozen=True):
    """One look: ``running`` are the listener's, ``orphans`` those of an Ollama that is gone."""

    running: tuple[Runner, ...] = ()
    orphans: tuple[Runner, ...] = ()
    server: int | None = None
    most_loaded: int | None = None
    """``OLLAMA_MAX_LOADED_MODELS`` of the listener; None where it is not set or cannot be seen."""
    parallel: int | None = None
    """How many requests the listener answers at once for a model; None where that cannot be seen."""


class RunnersDoor(Protocol):
    """Something that knows the processes."""

    async def look(self) -> Runners:
        """What there is now. Never raises: what cannot be seen is left out."""
        ...

    def is_alive(self, pid: int) -> bool:
        """Whether a process still exists."""
        ...


class ProcessRunners:
    """The processes of this machine. ``url`` is Ollama's address; ``weigh`` gives (total, private) bytes of a pid."""

    def __init__(
        self,
        url: str,
        *,
        processes: Callable[[], Iterable[Any]] = psutil.process_iter,
        weigh: Callable[[int], tuple[int, int] | None] | None = None,
    ) -> None:
        self._port = urlsplit(url).port or 0
        self._processes = processes
        self._weigh = weigh or weighing()

    async def look(self) -> Runners:
        """Look, in a thread: a walk over all processes takes tens of milliseconds."""
        return await anyio.to_thread.run_sync(self.look_now)

    def look_now(self) -> Runners:
        """The same, at once."""
        servers: dict[int, Any] = {}
        found: list[tuple[Any, str, list[str]]] = []
        for process in self._processes():
            try:
                name = process.name()
                if not _may_be_ours(name):
                    continue
                words = process.cmdline()
            except (psutil.Error, OSError):
                continue
            if is_runner(name, words):
                found.append((process, name, words))
            elif "serve" in words:
                servers[process.pid] = process
        server = next((each for each in servers.values() if self._listens(each)), None)
        running: list[Runner] = []
        orphans: list[Runner] = []
        for process, name, words in found:
            parent = _parent(process)
            if server is not None and parent == server.pid:
                running.append(self._runner(process.pid, name, words))
            elif parent not in servers:
                orphans.append(self._runner(process.pid, name, words))
        if server is None:
            return Runners(tuple(running), tuple(orphans))
        said = _environment(server)
        most = _count(said, "OLLAMA_MAX_LOADED_MODELS")
        parallel = None if said is None else _count(said, "OLLAMA_NUM_PARALLEL") or DEFAULT_PARALLEL
        return Runners(tuple(running), tuple(orphans), server.pid, most, parallel)

    def is_alive(self, pid: int) -> bool:
        """Whether it exists and is no zombie."""
        try:
            return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def _listens(self, process: Any) -> bool:
        try:
            return any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == self._port
                for one in process.net_connections("tcp")
            )
        except (psutil.Error, OSError):
            return False

    def _runner(self, pid: int, name: str, words: Sequence[str]) -> Runner:
        held = self._weigh(pid)
        blob = next((hit[0] for word in words if (hit := _BLOB.search(word))), None)
        return Runner(pid, name, blob, *(held or (None, None)))


def is_runner(name: str, words: Sequence[str]) -> bool:
    """Whether a command line is a runner of Ollama's: ``ollama runner``, or a llama-server with one of its blobs."""
    if name.lower().startswith("ollama"):
        return "runner" in words[1:2]
    return name.startswith("llama-server") and any(_BLOB.search(word) for word in words)


def _may_be_ours(name: str) -> bool:
    return name.lower().startswith(("ollama", "llama-server"))


def _parent(process: Any) -> int | None:
    try:
        return int(process.ppid())
    except (psutil.Error, OSError):
        return None


def _environment(server: Any) -> Mapping[str, str] | None:
    """A process's environment variables; None where they cannot be seen. macOS hides those of signed programs."""
    try:
        found: Mapping[str, str] = server.environ()
    except (psutil.Error, OSError):
        return None
    return found or None


def _count(environment: Mapping[str, str] | None, name: str) -> int | None:
    """A variable that holds a count above 0; None for anything else."""
    said = (environment or {}).get(name, "").strip()
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 6 and int(said) else None


def weighing(platform: str = sys.platform) -> Callable[[int], tuple[int, int] | None]:
    """How a process is weighed here: ``phys_footprint`` on macOS, PSS on Linux, resident bytes elsewhere."""
    if platform == "darwin":
        try:
            kernel = Kernel()
        except KernelError:
            return resident_bytes
        return lambda pid: None if (held := kernel.footprint(pid)) is None else (held, held)
    return pss if platform == "linux" else resident_bytes


def pss(pid: int, root: Path = Path("/proc")) -> tuple[int, int] | None:
    """(PSS with what is swapped, its anonymous part) of a process in bytes, from ``smaps_rollup``."""
    try:
        found = {key: int(size) * 1024 for key, size in _KB.findall((root / str(pid) / "smaps_rollup").read_bytes())}
    except OSError:
        return None
    if b"Pss" not in found:
        return None
    swapped = found.get(b"SwapPss", 0)
    anonymous = found.get(b"Pss_Anon", found.get(b"Private_Dirty", 0)) + found.get(b"Pss_Shmem", 0)
    return found[b"Pss"] + swapped, anonymous + swapped


def resident_bytes(pid: int) -> tuple[int, int] | None:
    """Resident bytes of a process, where nothing better is told."""
    try:
        held = psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return None
    return held, held
