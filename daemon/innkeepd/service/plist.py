"""The LaunchAgent as bytes: what launchd is told about innkeepd.

Keys and their reasons (launchd.plist(5); the numbers were recorded by ``launchctl print`` on macOS 15 to 27):

* ``ProgramArguments`` are absolute: launchd starts no shell, expands neither ``~`` nor variables.
* ``Sockets.Listeners``: launchd owns the socket, so that who connects during a restart waits for the new daemon
  instead of being refused. ``SockPathMode`` is decimal in a plist: 384 is 0600.
* ``RunAtLoad`` and ``KeepAlive {SuccessfulExit: false}``: started at login, again after a crash, not again after a
  clean exit.
* ``Sockets.Http``: the HTTP port on 127.0.0.1, bound by launchd before any app of the login starts, and open during a
  restart. Left out where the configuration wants another host, any free port or no port.
* ``ExitTimeOut`` is what launchd waits between SIGTERM and SIGKILL; its default is 5 s, and would cut the drain short.
* ``ProcessType`` Interactive: every token of every answer passes through this process. Unset or Standard, launchd
  throttles its CPU and disk and coalesces its timers; Background hands those limits down to children as well. The
  daemon sleeps when nobody talks to it, so this costs nothing.
* ``SoftResourceLimits``: launchd gives a job 256 descriptors, and a proxied stream takes two. The daemon raises its own
  limit as well; the plist's counts for what Python opens before that.
* ``OLLAMA_HOST`` is empty, which counts as unset: a job inherits ``launchctl setenv``, and there it often points at
  innkeep itself.
* ``StandardErrorPath`` is for what Python prints when it dies: launchd only ever appends, so the daemon's own log is
  elsewhere.
* Never ``EnableTransactions`` (without XPC it means SIGKILL at once) nor ``EnablePressuredExit`` (which implies it).
"""

import plistlib
from typing import Any

from msgspec import Struct, field

LABEL = "dev.innkeep.innkeepd"
SOCKET_NAME = "Listeners"
"""The key under ``Sockets``; ``server/socket/activation.py`` asks launchd for it by this name."""

HTTP_NAME = "Http"
"""The key of the HTTP port's socket."""
HTTP_HOST = "127.0.0.1"

SOCKET_MODE = 0o600
THROTTLE = 10
"""Seconds between two starts, launchd's own default, written down because the crash loop's pace depends on it."""

DESCRIPTORS = 10_240
"""``OPEN_MAX`` of sys/syslimits.h, the most that macOS takes."""

SPARE = 10.0
"""Seconds that launchd waits beyond the drain, for unloading nothing but closing the history."""

PATH = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
"""launchd's own PATH has no Homebrew in it. A constant, so that the plist doesn't change with the shell that installs
it."""


class Owner(Struct, frozen=True):
    """Who a LaunchDaemon runs as: name, uid and home folder."""

    name: str
    uid: int
    home: str


class Agent(Struct, frozen=True):
    """What differs between two people's LaunchAgents. Paths are absolute; ``drain`` is seconds.

    ``session`` is None for the desktop session (launchd's default, Aqua) or ``Background`` where there is none.
    ``http_port`` is the port that launchd opens on 127.0.0.1, None for none.
    ``owner`` makes it a LaunchDaemon, which the system starts at boot.
    """

    program: str
    socket: str
    log_folder: str
    environment: dict[str, str] = field(default_factory=dict)
    drain: float = 20.0
    session: str | None = None
    http_port: int | None = None
    owner: Owner | None = None


def exit_timeout(drain: float) -> int:
    """Seconds from SIGTERM to SIGKILL: longer than the drain, never 0 (which launchd reads as for ever)."""
    return max(1, round(drain + SPARE))


def describe(agent: Agent) -> dict[str, Any]:
    """The plist as a dictionary. Raises ``ValueError`` for a path that isn't absolute."""
    for path in (agent.program, agent.socket, agent.log_folder):
        if not path.startswith("/"):
            raise ValueError(f"launchd needs absolute paths, and {path!r} isn't one")
    job: dict[str, Any] = {
        "Label": LABEL,
        "ProgramArguments": [agent.program, "run"],
        "Sockets": {
            SOCKET_NAME: {"SockPathName": agent.socket, "SockPathMode": SOCKET_MODE, "SockType": "stream"},
        },
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": THROTTLE,
        "ExitTimeOut": exit_timeout(agent.drain),
        "ProcessType": "Interactive",
        "EnvironmentVariables": {"PATH": PATH, "LANG": "en_US.UTF-8", "OLLAMA_HOST": ""} | agent.environment,
        "SoftResourceLimits": {"NumberOfFiles": DESCRIPTORS},
        "StandardErrorPath": f"{agent.log_folder}/crash.log",
    }
    if agent.http_port is not None:
        job["Sockets"][HTTP_NAME] = {
            "SockNodeName": HTTP_HOST,
            "SockServiceName": str(agent.http_port),
            "SockFamily": "IPv4",
            "SockType": "stream",
        }
    if agent.session is not None:
        job["LimitLoadToSessionType"] = agent.session
    if agent.owner is not None:
        job["UserName"] = agent.owner.name
        job["Sockets"][SOCKET_NAME]["SockPathOwner"] = agent.owner.uid  # root binds it, and only its owner is let in
        job["EnvironmentVariables"] |= {"HOME": agent.owner.home, "USER": agent.owner.name}
    return job


def render(agent: Agent) -> bytes:
    """The plist as a file: XML, keys sorted, so that equal agents are equal bytes."""
    return plistlib.dumps(describe(agent), fmt=plistlib.FMT_XML, sort_keys=True)
