"""What ``doctor`` knows of this machine: one Struct that ``collect.py`` fills and the checks judge.

None is always "could not be seen", never "there is none".
"""

from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from innkeepd.config.schema import Config
from innkeepd.machine.runners import Runner
from innkeepd.policy.memory.budget import Budget, MemoryPolicy
from innkeepd.policy.memory.reading import Reading
from innkeepd.policy.model import Model
from innkeepd.service.installation import Installation
from innkeepd.service.probe import Answer
from innkeepd.service.status import View

Level = Literal["ok", "warning", "error"]
Launcher = Literal["app", "homebrew", "service", "shell", "unknown"]


class Finding(Struct, frozen=True):
    """One check's result: what it ``saw``, ``why`` it matters, the command that ``mend``s it (both empty when ok)."""

    name: str
    level: Level
    saw: str
    why: str = ""
    mend: str = ""


class SocketFile(Struct, frozen=True):
    """The socket's file and its folder: kind, permission bits, owners' uids."""

    path: str
    exists: bool
    is_socket: bool = False
    mode: int = 0
    owner: int = -1
    folder_mode: int = 0
    folder_owner: int = -1


class Running(Struct, frozen=True):
    """A model in Ollama's memory: bytes and tokens."""

    name: str
    size: int
    context: int | None = None


class Ollama(Struct, frozen=True):
    """What Ollama told, and what it was started with.

    ``is_us``: innkeep itself answered at that address; ``is_simulated``: the daemon brought it along. ``launcher`` is
    who started it; ``environment`` holds its OLLAMA_* variables, None where they can't be seen;
    ``app_settings`` are those that the Ollama app's own settings make.
    """

    url: str
    reachable: bool
    version: str | None = None
    fault: str = ""
    is_us: bool = False
    is_simulated: bool = False
    pulled: list[Model] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    launcher: Launcher = "unknown"
    environment: dict[str, str] | None = None
    app_settings: dict[str, str] = field(default_factory=dict)


class Program(Struct, frozen=True):
    """A process by its number and name; never its arguments, which may hold secrets."""

    pid: int
    name: str


class Facts(Struct, frozen=True):
    """Everything. ``config`` is the defaults where ``config_fault`` says that the file is broken.

    ``http_holder`` is who listens on the HTTP port, ``http_beside`` who else does, with the address. ``direct`` are the
    processes other than innkeepd that hold connections to Ollama; ``disk_free`` is bytes where Ollama keeps its models;
    ``orphans`` are runners whose Ollama is gone. ``installation`` and ``disabled`` (by ``launchctl disable``) are a
    Mac's; ``asking_ollama`` are clients (names of ``innkeep connect``) whose configuration file names Ollama's port;
    ``descriptors`` is how many files the daemon may open (0: not known).
    """

    platform: str
    uid: int
    config: Config
    policy: MemoryPolicy
    socket: SocketFile
    answer: Answer
    ollama: Ollama
    config_fault: str = ""
    view: View | None = None
    view_fault: str = ""
    rival: str | None = None
    reading: Reading | None = None
    budget: Budget | None = None
    verdicts: list[dict[str, object]] = field(default_factory=list)
    disk_free: int | None = None
    disk_path: Path | None = None
    direct: list[Program] | None = None
    http_holder: Program | None = None
    http_beside: list[tuple[str, Program]] = field(default_factory=list)
    port_11434: Program | None = None
    orphans: list[Runner] = field(default_factory=list)
    installation: Installation | None = None
    disabled: bool = False
    asking_ollama: list[tuple[str, Path]] = field(default_factory=list)
    descriptors: int = 0
