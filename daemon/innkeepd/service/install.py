"""innkeepd as a LaunchAgent: each verb brings the machine to where it says from wherever it is, also twice.

Which domain: ``launchctl managername`` says Aqua at a desktop, and ``print gui/UID`` whether there is one. Neither is
enough where it counts: bootstrap was seen to answer 5 where print says 125 (hermes-agent#23387), and 5 for ``user/UID``
inside a desktop session (#40831). So the likelier domain is tried first, and the other one after a 5 that stays.

The sequence that proved itself elsewhere (yabai, Homebrew): write the plist -> enable -> if the job is loaded and the
plist unchanged, restart it; else bootout -> wait until launchd has forgotten it -> bootstrap, again while launchd says
"in progress" -> see it run. ``bootout`` is asynchronous and lasts as long as the drain; what hurries past it gets 37
or 5.
"""

import plistlib
from collections.abc import Callable
from pathlib import Path

from innkeepd.service.clock import Clock, SystemClock, back_off, until
from innkeepd.service.errors import NotInstalled, ServiceFault
from innkeepd.service.files import clear_away, make_ready, remove_socket, tail, write_whole
from innkeepd.service.launchctl import Job, Launchctl, Reply, Runner, run_command
from innkeepd.service.paths import Paths
from innkeepd.service.plist import LABEL, exit_timeout, render
from innkeepd.service.probe import Answer, probe

ATTEMPTS = 6
"""Bootstraps until we give up: with the back-off about 8 s of them."""

START_LIMIT = 10.0
"""Seconds for a started job to have a process."""

NO_DESKTOP = "Background"
"""The session type of a job outside the desktop. Only this one: a job of both types would run twice, and fight for the
socket."""


class LaunchAgent:
    """The verbs of the service on macOS. ``say`` gets a line for a person at each step; faults are ``ServiceFault``."""

    def __init__(
        self,
        paths: Paths,
        *,
        drain: float = 20.0,
        http_port: int | None = None,
        run: Runner = run_command,
        clock: Clock | None = None,
        say: Callable[[str], None] = print,
        ask: Callable[..., Answer] = probe,
    ) -> None:
        self.paths = paths
        self.desktop = Launchctl(f"gui/{paths.uid}", run)
        self.background = Launchctl(f"user/{paths.uid}", run)
        self.system = Launchctl("system", run)
        self.file = paths.agent_file
        """The plist."""
        self._drain = drain
        self._http_port = http_port
        self._clock = clock or SystemClock()
        self._say = say
        self._ask = ask

    # ---- verbs -----------------------------------------------------------------------------------------------------

    def install(self) -> Answer:
        """Write the plist, load the job and see it run; the answer is what its socket says then."""
        self._refuse_root()
        make_ready(self.paths)
        first, second = self._domains()
        if first is self.background:
            self._say("no desktop session here (ssh?): installing for the background session")
        reply = self._settle(first)
        if reply is not None and reply.verdict in ("no_session", "refused"):
            self._say(f"{first.domain} does not take it (status {reply.status}): trying {second.domain}")
            other = self._settle(second)
            if other is None or other.verdict == "done":
                reply = other
            else:
                write_whole(self.file, self._plist(self._session(first)))  # the next login tries that
        if reply is not None and reply.verdict != "done":
            raise reply.fault()
        if first is self.background or self.desktop.job() is None:
            self._say("say `innkeep service install` again at the desktop to move it there")
        return self._see_it_run()

    def uninstall(self, *, keep_state: bool = False) -> None:
        """Unload the job and delete what the service made; tell what stays. Nothing installed is fine."""
        self._refuse_root()
        was_loaded = [self._leave(domain) for domain in (self.desktop, self.background)]
        had_plist = self.file.is_file()
        self.file.unlink(missing_ok=True)
        self._say("uninstalled" if had_plist or any(was_loaded) else "nothing was installed")
        if self._ask(self.paths.socket, 0.5).is_alive:
            self._say(f"another innkeepd is running from {self.paths.home}: its files stay as they are")
            return
        remove_socket(self.paths)
        gone, left = clear_away(self.paths, keep_state=keep_state)
        if gone:
            self._say(f"deleted: {', '.join(path.name for path in gone)}")
        self._say(
            f"left: {', '.join(str(path) for path in left)} (delete it yourself if you don't want it any more)"
            if left
            else "nothing left behind"
        )

    def start(self) -> Answer:
        """Start the installed job. Raises ``NotInstalled`` without a plist."""
        self._refuse_root()
        found = self.find()
        if found is None or self._is_cut_off():
            self._load_as_written()
        elif found[1].pid is None:
            self._insist(found[0].kickstart())
        else:
            self._say(f"already running (pid {found[1].pid})")
        return self._see_it_run()

    def stop(self) -> None:
        """Unload the job; it is back at the next login, or with ``start``."""
        self._refuse_root()
        left = [self._leave(domain) for domain in (self.desktop, self.background)]
        if not any(left):
            self._say("not running")
            return
        if not self._ask(self.paths.socket, 0.5).is_alive:
            remove_socket(self.paths)
        self._say(
            "stopped until the next login or `innkeep service start`; `innkeep service uninstall` removes it for good"
        )

    def restart(self) -> Answer:
        """End the daemon after its answers and start it anew; launchd keeps the socket: nobody is refused."""
        self._refuse_root()
        found = self.find()
        if found is None:
            self._load_as_written()
        elif self._is_cut_off():
            self._say(f"{self.paths.socket} was deleted or leads nowhere: having launchd make it anew")
            self._load_as_written()
        else:
            self._renew(*found)
        return self._see_it_run()

    def find(self) -> tuple[Launchctl, Job] | None:
        """Find the loaded job and the domain that it is in."""
        for domain in (self.desktop, self.background):
            job = domain.job()
            if job is not None:
                return domain, job
        return None

    # ---- what can be seen ------------------------------------------------------------------------------------------

    def definition(self) -> dict[Path, bytes]:
        """The plist that ``install`` would write at the desktop."""
        return {self.file: self._plist(None)}

    def is_installed(self) -> bool:
        """Whether there is a plist, whatever is in it; the system's counts too."""
        return self.file.is_file() or self.paths.daemon_file.is_file()

    def is_current(self) -> bool:
        """Whether the plist is one that ``install`` would write, for either session."""
        try:
            if self.paths.daemon_file.is_file() and self.file != self.paths.daemon_file:
                return True  # the system's is its own affair: only root installs it
            return self.file.read_bytes() in (self._plist(None), self._plist(NO_DESKTOP))
        except OSError:
            return False

    def job(self) -> tuple[str, Job] | None:
        """The name of the loaded job, and what it tells of it."""
        found = self.find()
        if found is None and (job := self.system.job()) is not None:
            return self.system.target, job
        return (found[0].target, found[1]) if found else None

    def _plist(self, session: str | None) -> bytes:
        return render(self.paths.agent(drain=self._drain, session=session, http_port=self._http_port))

    # ---- steps -----------------------------------------------------------------------------------------------------

    def _session(self, domain: Launchctl) -> str | None:
        return None if domain is self.desktop else NO_DESKTOP

    def _domains(self) -> tuple[Launchctl, Launchctl]:
        """The domain to try first, and the other one."""
        session = self.desktop.session_type()
        at_desktop = session == "Aqua" or (session is None and self.desktop.exists()) or self.desktop.job() is not None
        return (self.desktop, self.background) if at_desktop else (self.background, self.desktop)

    def _is_cut_off(self) -> bool:
        """Whether clients cannot reach launchd's socket: no file, or one that nobody listens behind.

        launchd keeps its descriptor, so a restart would hand the same dead socket to the next daemon; only a bootout
        and a bootstrap make a new one.
        """
        return self._ask(self.paths.socket, 0.5).how in ("absent", "refused")

    def _settle(self, domain: Launchctl) -> Reply | None:
        """Bring the job into ``domain`` with the plist of now; the reply that ended it, None for a plain restart."""
        changed = write_whole(self.file, self._plist(self._session(domain)))
        self._say(f"{'wrote' if changed else 'unchanged:'} {self.file}")
        enabled = domain.enable()
        if enabled.verdict == "no_session":
            return enabled
        other = self.background if domain is self.desktop else self.desktop
        if other is not domain:
            self._leave(other)
        job = domain.job()
        is_ours = job is not None and job.path in (None, str(self.file))
        if job is not None and is_ours and not changed and not self._is_cut_off():
            self._renew(domain, job)
            return None
        return self._reload(domain)

    def _reload(self, domain: Launchctl) -> Reply:
        self._leave(domain)
        stranger = self._ask(self.paths.socket, 0.5)
        if stranger.is_alive:
            raise ServiceFault(
                f"another innkeepd (pid {stranger.pid or 'unknown'}) already runs on {self.paths.socket}: "
                "stop it (Ctrl-C where it runs, or `innkeep shutdown`), then try again"
            )
        remove_socket(self.paths)
        return self._bootstrap(domain)

    def _bootstrap(self, domain: Launchctl) -> Reply:
        for attempt, wait in enumerate(back_off(0.25), start=1):
            reply = domain.bootstrap(self.file)
            if reply.verdict in ("done", "no_session"):
                return reply
            if reply.verdict == "loaded" or attempt == ATTEMPTS:
                break
            if reply.verdict == "disabled":
                domain.enable()
            elif reply.verdict not in ("refused", "busy"):
                break
            elif domain.job() is not None:
                self._leave(domain)
            self._clock.sleep(wait)
        if reply.verdict == "loaded":
            return domain.kickstart(kill=True)
        return reply

    def _leave(self, domain: Launchctl) -> bool:
        """Unload the job from ``domain`` and wait until launchd has forgotten it; whether there was one."""
        if domain.job() is None:
            return False
        reply = domain.bootout()
        limit = exit_timeout(self._drain) + 5.0
        if reply.verdict == "leaving":
            self._say(f"waiting for running answers to end, at most {limit:.0f} s")
        if not until(self._clock, limit, lambda: domain.job() is None):
            raise ServiceFault(
                f"launchd still has {domain.target} {limit:.0f} s after `launchctl bootout` ({reply.meaning.says}): "
                f"try `launchctl bootout {domain.target}` yourself, or log out and in"
            )
        return True

    def _renew(self, domain: Launchctl, job: Job) -> None:
        """SIGTERM first, because only that drains: what ``kickstart -k`` does to running answers is written nowhere."""
        if job.pid is not None and domain.signal("SIGTERM").verdict == "done":
            until(self._clock, exit_timeout(self._drain) + 5.0, lambda: _pid(domain) != job.pid)
        now = _pid(domain)
        if now is None or now == job.pid:  # else somebody connected, and launchd has started the new one already
            self._insist(domain.kickstart(kill=True))

    def _load_as_written(self) -> None:
        self._refuse_root()
        try:
            written = plistlib.loads(self.file.read_bytes())
            session = written.get("LimitLoadToSessionType")
        except FileNotFoundError:
            raise NotInstalled(f"{LABEL} isn't installed: run `innkeep service install`") from None
        except Exception as error:  # plistlib raises whatever its XML parser and its converters raise
            raise ServiceFault(f"{self.file} is broken ({error}): run `innkeep service install`") from error
        make_ready(self.paths)
        domain = self.background if session == NO_DESKTOP else self.desktop
        domain.enable()
        self._insist(self._reload(domain))

    def _see_it_run(self) -> Answer:
        if not until(self._clock, START_LIMIT, lambda: (found := self.find()) is not None and found[1].pid is not None):
            raise ServiceFault(f"launchd took the job, but it doesn't run: {self._why_not()}")
        return self._ask(self.paths.socket, START_LIMIT)

    def _why_not(self) -> str:
        found = self.find()
        if found is None:
            return "launchd has forgotten it again; see `log show --predicate 'process == \"launchd\"' --last 5m`"
        job, words = found[1], tail(self.paths.crash_log, 1)
        ended = (
            f"last exit code {job.last_exit}" if job.last_exit is not None else job.last_signal or f"state {job.state}"
        )
        return f"{ended}{f', last words: {words[0]}' if words else ''}; see {self.paths.crash_log}"

    def _refuse_root(self) -> None:
        if self.paths.uid == 0:
            raise ServiceFault(
                "a LaunchAgent belongs to a person: run this as yourself, without sudo; for a Mac without logins: "
                "`sudo innkeep service install --system`"
            )
        if self.paths.daemon_file.exists():
            raise ServiceFault(
                f"innkeepd is a service of the system here ({self.paths.daemon_file}): "
                "`sudo innkeep service VERB --system`, or `sudo innkeep service uninstall --system` first"
            )

    @staticmethod
    def _insist(reply: Reply) -> None:
        if reply.verdict != "done":
            raise reply.fault()


def _pid(domain: Launchctl) -> int | None:
    job = domain.job()
    return job.pid if job else None
