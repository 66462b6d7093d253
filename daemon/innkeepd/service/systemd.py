"""The same verbs on Linux: a user's own socket and service units, by ``systemctl --user``.

``packaging/systemd/`` holds these units as generated. ``Type=exec``: the daemon sends no readiness, but the socket is
there before it is, and that is what clients wait for. 78 is the daemon's exit status for a bad configuration: starting
it again would not mend that.
"""

from collections.abc import Callable
from pathlib import Path

from innkeepd.service.clock import Clock, SystemClock, until
from innkeepd.service.errors import NotInstalled, ServiceFault, Unsupported
from innkeepd.service.files import clear_away, make_ready, remove_socket, write_whole
from innkeepd.service.install import START_LIMIT
from innkeepd.service.launchctl import Job, Runner, run_command
from innkeepd.service.paths import Paths
from innkeepd.service.plist import exit_timeout
from innkeepd.service.probe import Answer, probe

SERVICE = "innkeepd.service"
SOCKET = "innkeepd.socket"
BAD_CONFIG = 78


def socket_unit(socket: str) -> str:
    """``innkeepd.socket``: systemd listens, and starts the service at the first connection."""
    return f"""\
[Unit]
Description=innkeepd's control socket

[Socket]
ListenStream={socket}
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""


def service_unit(program: str, environment: dict[str, str], drain: float = 20.0) -> str:
    """``innkeepd.service``. ``drain`` is seconds."""
    settings = "".join(f'Environment="{name}={_escaped(value)}"\n' for name, value in sorted(environment.items()))
    return f"""\
[Unit]
Description=innkeepd, who owns which model is in memory
Requires={SOCKET}
After={SOCKET} network.target

[Service]
Type=exec
ExecStart="{_escaped(program)}" run
{settings}Restart=on-failure
RestartSec=10
RestartPreventExitStatus={BAD_CONFIG}
TimeoutStopSec={exit_timeout(drain)}
KillMode=mixed

[Install]
Also={SOCKET}
WantedBy=default.target
"""


class UserUnit:
    """The verbs of the service on Linux. ``say`` gets a line for a person at each step; faults are ``ServiceFault``."""

    def __init__(
        self,
        paths: Paths,
        *,
        drain: float = 20.0,
        run: Runner = run_command,
        clock: Clock | None = None,
        say: Callable[[str], None] = print,
        ask: Callable[..., Answer] = probe,
    ) -> None:
        self.paths = paths
        self._drain = drain
        self._run = run
        self._clock = clock or SystemClock()
        self._say = say
        self._ask = ask

    # ---- verbs -----------------------------------------------------------------------------------------------------

    def install(self) -> Answer:
        """Write both units, start them, and see the daemon run; the answer is what its socket says then."""
        self._reach()
        make_ready(self.paths)
        for path, content in self.definition().items():
            self._say(f"{'wrote' if write_whole(path, content) else 'unchanged:'} {path}")
        self._systemctl("daemon-reload")
        self._systemctl("stop", SERVICE)
        if not self._is_active(SOCKET):
            self._refuse_strangers()
        self._systemctl("enable", SERVICE, SOCKET)
        self._systemctl("restart", SOCKET)
        self._systemctl("start", SERVICE)
        return self._see_it_run()

    def uninstall(self, *, keep_state: bool = False) -> None:
        """Stop and forget both units and delete what the service made; tell what stays. Nothing installed is fine."""
        if was_installed := self.is_installed():
            self._reach()
            self._systemctl("disable", "--now", SERVICE, SOCKET)
        for path in self.definition():
            path.unlink(missing_ok=True)
        if self._ask(self.paths.socket, 0.5).is_alive:
            self._say(f"another innkeepd is running from {self.paths.home}: its files stay as they are")
            return
        remove_socket(self.paths)
        _gone, left = clear_away(self.paths, keep_state=keep_state)
        head = "uninstalled" if was_installed else "nothing was installed"
        rest = f"left: {', '.join(str(path) for path in left)}" if left else "nothing left behind"
        self._say(f"{head}; {rest}")

    def start(self) -> Answer:
        """Start the installed units."""
        self._need_units()
        self._systemctl("start", SOCKET, SERVICE)
        return self._see_it_run()

    def stop(self) -> None:
        """Stop both units until the next login."""
        self._need_units()
        self._systemctl("stop", SOCKET, SERVICE)
        self._say("stopped until the next login or `innkeep service start`")

    def restart(self) -> Answer:
        """Restart the service; systemd keeps the socket, so nobody is refused."""
        self._need_units()
        self._systemctl("start", SOCKET)
        self._systemctl("restart", SERVICE)
        return self._see_it_run()

    # ---- what can be seen ------------------------------------------------------------------------------------------

    def definition(self) -> dict[Path, bytes]:
        """The units that ``install`` would write."""
        paths = self.paths
        return {
            paths.units / SOCKET: socket_unit(str(paths.socket)).encode(),
            paths.units / SERVICE: service_unit(str(paths.program), paths.environment, self._drain).encode(),
        }

    def is_installed(self) -> bool:
        """Whether any of the units is there."""
        return any(path.is_file() for path in self.definition())

    def is_current(self) -> bool:
        """Whether both units are what ``install`` would write."""
        return all(path.is_file() and path.read_bytes() == content for path, content in self.definition().items())

    def job(self) -> tuple[str, Job] | None:
        """What systemd tells of the service; None where it isn't loaded or no systemd answers."""
        done = self._run(("systemctl", "--user", "show", SERVICE))
        properties = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        if done.returncode or properties.get("LoadState") != "loaded":
            return None
        pid, ended, runs = (int(properties.get(name) or 0) for name in ("MainPID", "ExecMainStatus", "NRestarts"))
        failed = properties.get("Result", "success") != "success"
        state = {"active": "running", "activating": "spawn scheduled" if failed else "starting"}.get(
            properties.get("ActiveState", ""), "not running"
        )
        killed = properties.get("ExecMainCode") in (
            "2",
            "3",
        )  # CLD_KILLED, CLD_DUMPED: then the status is a signal's number
        return SERVICE, Job(
            state=state,
            pid=pid or None,
            runs=runs + 1 if pid or failed else None,
            last_exit=ended if failed and not killed else None,
            last_signal=f"signal {ended}" if failed and killed else None,
        )

    # ---- steps -----------------------------------------------------------------------------------------------------

    def _reach(self) -> None:
        done = self._run(("systemctl", "--user", "show", "--property=Version"))
        if done.returncode:
            raise Unsupported(
                f"systemd --user is not available here ({' '.join(done.stderr.split())}): log in at the machine or run "
                "`loginctl enable-linger`, or start the daemon yourself with `innkeepd run`"
            )

    def _need_units(self) -> None:
        self._reach()
        if not self.is_installed():
            raise NotInstalled(f"{SERVICE} isn't installed: run `innkeep service install`")

    def _refuse_strangers(self) -> None:
        stranger = self._ask(self.paths.socket, 0.5)
        if stranger.is_alive:
            raise ServiceFault(
                f"another innkeepd (pid {stranger.pid or 'unknown'}) already runs on {self.paths.socket}: "
                "stop it (Ctrl-C where it runs, or `innkeep shutdown`), then try again"
            )

    def _is_active(self, unit: str) -> bool:
        return self._run(("systemctl", "--user", "is-active", "--quiet", unit)).returncode == 0

    def _see_it_run(self) -> Answer:
        if not until(self._clock, START_LIMIT, lambda: self._is_active(SERVICE)):
            raise ServiceFault(f"{SERVICE} doesn't run: see `journalctl --user -u {SERVICE} -n 20`")
        return self._ask(self.paths.socket, START_LIMIT)

    def _systemctl(self, *arguments: str) -> None:
        done = self._run(("systemctl", "--user", *arguments))
        if done.returncode:
            said = " ".join(done.stderr.split()) or "it doesn't say why"
            raise ServiceFault(
                f"`systemctl --user {' '.join(arguments)}` failed with status {done.returncode} ({said}): "
                f"see `journalctl --user -u {SERVICE} -n 20`"
            )


def _escaped(value: str) -> str:
    """A value inside double quotes in a unit: backslash, quote, and systemd's specifiers."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
