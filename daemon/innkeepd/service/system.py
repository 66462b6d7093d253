"""innkeepd as a LaunchDaemon, for a Mac that nobody logs in to: started at boot, run as its owner, not as root.

``sudo innkeep service install --system`` writes ``/Library/LaunchDaemons/dev.innkeep.innkeepd.plist`` with the user's
name in it and loads it into launchd's domain ``system``. Everything else (home folder, socket, configuration) is the
user's own, as with the LaunchAgent, which is taken out: both would hold one socket. What launchd.plist(5) says was
read; nothing here has been run on a Mac by us. With FileVault nothing starts before somebody has unlocked the disk.
"""

import os
import pwd
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from innkeepd.service.clock import Clock
from innkeepd.service.errors import ServiceFault
from innkeepd.service.files import make_ready
from innkeepd.service.install import LaunchAgent
from innkeepd.service.launchctl import Launchctl, Runner, run_command
from innkeepd.service.paths import Paths
from innkeepd.service.plist import Owner, render
from innkeepd.service.probe import Answer, probe

DOMAIN = "system"


class Person(Struct, frozen=True):
    """Who the daemon is to run as."""

    name: str
    uid: int
    gid: int
    home: Path


def person(environ: Mapping[str, str], uid: int, lookup: Callable[[str], Any] = pwd.getpwnam) -> Person:
    """Who called ``sudo``. Raises ``ServiceFault`` without sudo, and for root itself."""
    name = environ.get("SUDO_USER", "")
    if uid != 0 or name in ("", "root"):
        raise ServiceFault("the system's service is its owner's, by sudo: `sudo innkeep service install --system`")
    try:
        found = lookup(name)
    except KeyError:
        raise ServiceFault(f"sudo says that you are {name}, and this machine knows no such user") from None
    return Person(name, found.pw_uid, found.pw_gid, Path(found.pw_dir))


class LaunchDaemon(LaunchAgent):
    """The verbs of the service in launchd's domain ``system``; root only, on behalf of ``owner``."""

    def __init__(
        self,
        paths: Paths,
        owner: Person,
        *,
        drain: float = 20.0,
        http_port: int | None = None,
        run: Runner = run_command,
        clock: Clock | None = None,
        say: Callable[[str], None] = print,
        ask: Callable[..., Answer] = probe,
    ) -> None:
        super().__init__(
            paths, drain=drain, http_port=http_port, run=run, clock=clock, say=say, ask=_as_user(owner.uid, ask)
        )
        self._owner = owner
        self._agents = (self.desktop, self.background)
        self.desktop = self.background = Launchctl(DOMAIN, run)
        self.file = paths.daemon_file

    def install(self) -> Answer:
        """Take the LaunchAgent out, write the plist, load the job and see it run."""
        for agent in self._agents:
            if self._leave(agent):
                self._say(f"took {agent.target} out: the system's job takes its place")
        self.paths.agent_file.unlink(missing_ok=True)
        make_ready(self.paths)
        self._hand_over()
        reply = self._settle(self.desktop)
        if reply is not None and reply.verdict != "done":
            raise reply.fault()
        return self._see_it_run()

    def _hand_over(self) -> None:
        """What root made belongs to the owner: the daemon runs as them."""
        crash_log = self.paths.crash_log
        crash_log.touch(0o600)
        for path in (self.paths.home, self.paths.socket.parent, self.paths.logs, crash_log):
            os.chown(path, self._owner.uid, self._owner.gid)

    def _plist(self, session: str | None) -> bytes:  # noqa: ARG002 - the domain has no sessions
        agent = self.paths.agent(drain=self._drain, http_port=self._http_port)
        return render(structs.replace(agent, owner=Owner(self._owner.name, self._owner.uid, str(self._owner.home))))

    def _refuse_root(self) -> None:
        """Root is who does this."""


def _as_user(uid: int, ask: Callable[..., Answer]) -> Callable[..., Answer]:
    """``ask`` with that user's effective uid: the daemon lets nobody else in, root neither."""

    def asked(*arguments: Any) -> Answer:
        if os.geteuid() != 0:
            return ask(*arguments)
        os.seteuid(uid)
        try:
            return ask(*arguments)
        finally:
            os.seteuid(0)

    return asked
