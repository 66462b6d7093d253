"""Who runs here: the Ollama server and what it was started with, who holds a port, who is connected to Ollama.

Asked process by process, because macOS shows the connections of one's own processes to everybody and those of all to
root only.
"""

import os
import plistlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from msgspec import Struct, field

from innkeepd.service.facts import Launcher, Program

HOMEBREW = Path("Library/LaunchAgents/homebrew.mxcl.ollama.plist")
APP_SETTINGS = Path("Library/Application Support/Ollama/db.sqlite")
APP = "/Applications/Ollama.app/"


class Sightings(Struct):
    """What one walk over all processes saw: listeners, who holds a connection to Ollama, Ollama's server.

    ``listeners`` has who answers at 127.0.0.1 for each port; ``places`` every listener with its address. On macOS a
    program may listen at 127.0.0.1 beside another of the same user that holds the wildcard: both succeed.
    """

    listeners: dict[int, Program] = field(default_factory=dict)
    connected: list[Program] = field(default_factory=list)
    server: int | None = None
    places: list[tuple[str, int, Program]] = field(default_factory=list)


def walk(ollama_url: str, processes: Callable[[], Iterable[Any]] = psutil.process_iter) -> Sightings:
    """Look at every process once; what may not be looked at is passed over."""
    port = urlsplit(ollama_url).port or 0
    seen = Sightings()
    servers: dict[int, bool] = {}
    for process in processes():
        try:
            name = process.name()
            if name.lower() == "ollama" and "serve" in process.cmdline():
                servers[process.pid] = False
            connections = process.net_connections("tcp")
        except (psutil.Error, OSError):
            continue
        program = Program(process.pid, name)
        for one in connections:
            if one.status == psutil.CONN_LISTEN:
                seen.places.append((one.laddr.ip, one.laddr.port, program))
                servers |= {process.pid: True} if process.pid in servers else {}
            elif one.status == psutil.CONN_ESTABLISHED and one.raddr and one.raddr.port == port:
                seen.connected.append(program)
    for _address, place, program in sorted(seen.places, key=lambda one: _nearness(one[0])):
        seen.listeners.setdefault(place, program)
    holder = seen.listeners.get(port)
    if holder is not None:
        seen.server = holder.pid if holder.pid in servers else None
    else:  # one whose ports may not be looked at; one that is seen to listen elsewhere is not the one meant
        seen.server = next((pid for pid, listens in servers.items() if not listens), None)
    return seen


def _nearness(address: str) -> int:
    """Which of several listeners a connection to 127.0.0.1 reaches: the exact address before a wildcard."""
    return ("127.0.0.1", "0.0.0.0", "::").index(address) if address in ("127.0.0.1", "0.0.0.0", "::") else 3  # noqa: S104


def beside(seen: Sightings, port: int, ours: int | None) -> list[tuple[str, Program]]:
    """Who else listens on ``port``, with the address: ``localhost`` or other machines may reach them instead of us."""
    if ours is None or all(program.pid != ours for _, place, program in seen.places if place == port):
        return []
    return [(address, program) for address, place, program in seen.places if place == port and program.pid != ours]


def strangers(seen: Sightings, ollama_url: str, daemon: int | None) -> list[Program]:
    """Who speaks with Ollama beside innkeepd, Ollama's own processes and ourselves; each once."""
    server = seen.listeners.get(urlsplit(ollama_url).port or 0)
    known = {daemon, os.getpid(), seen.server, server.pid if server else None}
    others = {one.pid: one for one in seen.connected if one.pid not in known and "ollama" not in one.name.lower()}
    return [others[pid] for pid in sorted(others)]


def settings(
    seen: Sightings,
    user_home: Path,
    *,
    getenv: Callable[[str], str | None],
    names: Iterable[str],
    environ_of: Callable[[int], Mapping[str, str]] | None = None,
) -> tuple[Launcher, dict[str, str] | None]:
    """Who started Ollama, and its OLLAMA_* variables.

    The running process is asked first: that is what holds. Else Homebrew's plist, else the login session's variables
    (``getenv``), which is where the app has them from.
    """
    brew = _homebrew(user_home)
    launcher: Launcher = "homebrew" if brew is not None else "unknown"
    if seen.server is not None:
        try:
            values = dict((environ_of or _environ_of)(seen.server))
        except (psutil.Error, OSError):
            values = {}
        if values:
            return _launcher(values, seen.server), {name: values[name] for name in names if name in values}
    if brew is not None:
        return launcher, {name: brew[name] for name in names if name in brew}
    session = {name: value for name in names if (value := getenv(name)) is not None}
    return ("app", session) if session else (launcher, None)


def app_settings(user_home: Path) -> dict[str, str]:
    """What the Ollama app's own settings make of the environment of its server, which they win over; {} for none.

    Read-only, from its database (ollama, app/store; ``expose`` becomes OLLAMA_HOST=0.0.0.0 in app/server/server.go).
    The columns were read in its source, never seen on a Mac by us; whatever is missing is left out.
    """
    file = user_home / APP_SETTINGS
    if not file.is_file():
        return {}
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1.0)) as database:
            database.row_factory = sqlite3.Row
            row = database.execute("SELECT * FROM settings LIMIT 1").fetchone()
    except sqlite3.Error:
        return {}
    values = {key: row[key] for key in row.keys()} if row is not None else {}  # noqa: SIM118 - sqlite3.Row has no items
    found = {"OLLAMA_HOST": "0.0.0.0"} if values.get("expose") else {}  # noqa: S104 - what the app sets
    found |= {"OLLAMA_MODELS": str(values["models"])} if values.get("models") else {}
    return found | ({"OLLAMA_CONTEXT_LENGTH": str(values["context_length"])} if values.get("context_length") else {})


def _environ_of(pid: int) -> Mapping[str, str]:
    return psutil.Process(pid).environ()


def _homebrew(user_home: Path) -> dict[str, str] | None:
    try:
        values = plistlib.loads((user_home / HOMEBREW).read_bytes())
        return {str(key): str(value) for key, value in dict(values.get("EnvironmentVariables", {})).items()}
    except Exception:  # noqa: BLE001 - no file, no plist, no dictionary: nothing is known
        return None


def _launcher(values: Mapping[str, str], pid: int) -> Launcher:
    """By what the process shows of its origin: launchd's job name, systemd's invocation, the app's folder."""
    job = values.get("XPC_SERVICE_NAME", "")
    if "homebrew" in job:
        return "homebrew"
    try:
        program = psutil.Process(pid).exe()
    except (psutil.Error, OSError):
        program = ""
    if program.startswith(APP) or "com.electron.ollama" in job or "com.ollama" in job:
        return "app"
    return "service" if "INVOCATION_ID" in values and "DISPLAY" not in values else "shell"
