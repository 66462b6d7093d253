"""Where things lie on this machine: one Struct, made once from the environment."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from innkeep import paths
from innkeep.errors import BadConfig
from innkeepd.log import FILE_NAME
from innkeepd.service.errors import ServiceFault
from innkeepd.service.plist import LABEL, Agent

SYSTEM_FOLDER = Path("/Library/LaunchDaemons")

CARRIED = ("INNKEEP_CONFIG", "INNKEEP_HOME", "INNKEEP_SOCKET")
"""Variables of the installing shell that the service keeps, because they say which house it is. OLLAMA_HOST is not
among them: in a shell it often points at innkeep itself; the service takes Ollama's address from the configuration."""


class Paths(Struct, frozen=True):
    """Absolute paths, and whose they are. ``program`` is the ``innkeepd`` that the service starts."""

    uid: int
    user_home: Path
    home: Path
    socket: Path
    logs: Path
    program: Path
    environment: dict[str, str]
    platform: str

    @property
    def agent_file(self) -> Path:
        """The LaunchAgent; launchd wants the file to be named after the label."""
        return self.user_home / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    @property
    def daemon_file(self) -> Path:
        """The LaunchDaemon of ``--system``."""
        return SYSTEM_FOLDER / f"{LABEL}.plist"

    @property
    def units(self) -> Path:
        """Where systemd looks for a user's own units."""
        return self.user_home / ".config" / "systemd" / "user"

    @property
    def crash_log(self) -> Path:
        """What Python printed when it died."""
        return self.logs / "crash.log"

    @property
    def daemon_log(self) -> Path:
        """The daemon's own log, JSON lines, rotated by itself."""
        return self.logs / FILE_NAME

    def agent(self, *, drain: float = 20.0, session: str | None = None, http_port: int | None = None) -> Agent:
        """The LaunchAgent of these paths."""
        return Agent(str(self.program), str(self.socket), str(self.logs), self.environment, drain, session, http_port)


def locate(environ: Mapping[str, str], *, uid: int, platform: str = sys.platform, argv0: str | None = None) -> Paths:
    """The paths of the user whose environment this is.

    Raises ``ServiceFault`` where the socket's path is too long or no ``innkeepd`` can be found.
    """
    user_home = Path(environ.get("HOME") or Path.home())
    home = paths.home(environ).absolute()
    try:
        socket = Path(paths.socket_name(paths.socket_path(environ).absolute()))
    except BadConfig as error:
        raise ServiceFault(str(error)) from None
    logs = paths.log_folder(environ, platform).absolute()
    carried = {
        name: str(Path(paths.expanded(environ[name], environ)).absolute()) for name in CARRIED if environ.get(name)
    }
    return Paths(uid, user_home, home, socket, logs, stable_program(environ, argv0 or sys.argv[0]), carried, platform)


def stable_program(environ: Mapping[str, str], argv0: str) -> Path:
    """The path of ``innkeepd`` that survives an upgrade: as it is found, links not followed.

    Homebrew's ``/opt/homebrew/bin/innkeepd``, pipx's and uv's ``~/.local/bin/innkeepd`` are links into folders named
    after a version or made anew by an upgrade; the link stays. So: the ``innkeepd`` that runs now, by its name on PATH
    where that leads to the same file; else one on PATH, or beside the interpreter.
    """
    named = shutil.which("innkeepd", path=environ.get("PATH", os.defpath))
    on_path = Path(named).absolute() if named else None
    running = Path(argv0).absolute().parent / "innkeepd"
    if on_path is not None and running.exists() and on_path.resolve() == running.resolve():
        return on_path
    for candidate in (running, on_path, Path(sys.executable).absolute().parent / "innkeepd"):
        if candidate is not None and os.access(candidate, os.X_OK) and candidate.is_file():
            return candidate
    raise ServiceFault("no innkeepd on PATH: install it with `pipx install 'innkeep[daemon]'`, then try again")
