"""The one door to ``launchctl``: its verbs, its exit statuses as one table, its ``print`` read as little as possible.

``launchctl``'s exit status is the number in its text. ``print`` says of itself that it "is NOT API in any sense":
whether a job is loaded is told by its exit status alone (0 or 113); state, pid and last exit are read best effort,
from lines with exactly one tab, because nested blocks (coalitions, sockets) repeat ``state = active`` and macOS 26
adds a ``job state`` line.
"""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from innkeepd.service.errors import ServiceFault, Unsupported
from innkeepd.service.plist import LABEL

Verdict = Literal["done", "absent", "refused", "loaded", "leaving", "busy", "disabled", "no_session", "unknown"]
TIMEOUT = 60.0
"""Seconds for one call; launchctl answers in milliseconds, and hangs only where launchd does."""


class Meaning(Struct, frozen=True):
    """What an exit status of launchctl's says, and what a person can do about it."""

    verdict: Verdict
    says: str
    mend: str = ""


STATUSES: dict[int, Meaning] = {
    0: Meaning("done", "done"),
    3: Meaning("absent", "no such process: the job isn't loaded"),
    5: Meaning(
        "refused",
        "input/output error: already loaded, still unloading, or launchd can't read the plist or open its log",
        "look at it with `plutil -lint` and `innkeep service print`, then `innkeep service install` at the desktop",
    ),
    17: Meaning("loaded", "the job is already loaded"),
    36: Meaning("leaving", "the job is being unloaded"),
    37: Meaning("busy", "operation already in progress: the job is already loaded or still unloading"),
    113: Meaning("absent", "launchd knows no such job"),
    119: Meaning("disabled", "the job is disabled", f"launchctl enable gui/$(id -u)/{LABEL}"),
    125: Meaning(
        "no_session",
        "this login has no such session (no desktop over ssh or sudo)",
        "log in at the Mac's desktop and run `innkeep service install` there",
    ),
}
"""Every exit status that was seen. 36 after ``bootout`` is success that isn't there yet."""


class Reply(Struct, frozen=True):
    """What a call of launchctl came to; ``text`` is what it printed, for people."""

    call: str
    status: int
    meaning: Meaning
    out: str = ""
    text: str = ""

    @property
    def verdict(self) -> Verdict:
        """The table's word for the exit status."""
        return self.meaning.verdict

    def fault(self) -> ServiceFault:
        """This reply as an error: what was tried, what launchd says, what to do."""
        own = self.text or self.meaning.says
        mend = f". Try: {self.meaning.mend}" if self.meaning.mend else ""
        return ServiceFault(f"`{self.call}` failed with status {self.status} ({own}): {self.meaning.says}{mend}")


class Job(Struct, frozen=True):
    """A loaded job as ``print`` tells it; None is not told.

    ``last_exit`` is None too when the job never exited or a signal ended it.
    """

    state: str | None = None
    pid: int | None = None
    path: str | None = None
    program: str | None = None
    runs: int | None = None
    last_exit: int | None = None
    last_signal: str | None = None
    exit_timeout: int | None = None

    @property
    def is_throttled(self) -> bool:
        """Whether launchd waits before it starts the job again: it failed sooner than ThrottleInterval."""
        return self.state == "spawn scheduled"


Runner = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def run_command(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command found on PATH. Raises ``Unsupported`` where there is none, ``ServiceFault`` where it hangs."""
    try:
        return subprocess.run(  # noqa: S603 - arguments are ours, no shell
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False
        )
    except FileNotFoundError as error:
        raise Unsupported(
            f"there is no `{command[0]}` on this machine: its services can't be managed from here"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ServiceFault(
            f"`{' '.join(command)}` gave no answer in {TIMEOUT:.0f} s; try again, or log in anew"
        ) from error


_LINE = re.compile(r"^\t(?!\t)([^=\t][^=]*?) = (.*)$")
_EXIT = re.compile(r"^-?\d+")


def parse_print(text: str) -> Job:
    """Read ``launchctl print``: lines with exactly one tab, the first of each name; what is missing or odd is None."""
    seen: dict[str, str] = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            seen.setdefault(match[1].strip(), match[2].strip())

    def number(name: str) -> int | None:
        found = _EXIT.match(seen.get(name, ""))
        return int(found[0]) if found else None

    return Job(
        state=seen.get("state"),
        pid=number("pid"),
        path=seen.get("path"),
        program=seen.get("program"),
        runs=number("runs"),
        last_exit=number("last exit code"),
        last_signal=seen.get("last terminating signal"),
        exit_timeout=number("exit timeout"),
    )


class Launchctl:
    """launchctl's verbs on our job in one domain: ``gui/501`` with a desktop, ``user/501`` without."""

    def __init__(self, domain: str, run: Runner = run_command, label: str = LABEL) -> None:
        self.domain = domain
        self.label = label
        self.target = f"{domain}/{label}"
        self._run = run

    def __repr__(self) -> str:
        return f"<Launchctl {self.target}>"

    def job(self) -> Job | None:
        """The job, or None where launchd knows none in this domain, or knows no such domain: any status but 0."""
        reply = self._call("print", self.target)
        return parse_print(reply.out) if reply.verdict == "done" else None

    def bootstrap(self, plist: Path) -> Reply:
        """Load the job from its file."""
        return self._call("bootstrap", self.domain, str(plist))

    def bootout(self) -> Reply:
        """Unload the job. Asynchronous: poll ``job`` until it is None."""
        return self._call("bootout", self.target)

    def enable(self) -> Reply:
        """Take back a ``disable``, which would outlive reboots."""
        return self._call("enable", self.target)

    def kickstart(self, *, kill: bool = False) -> Reply:
        """Start the loaded job now; ``kill`` ends a running one first."""
        return self._call("kickstart", *(["-k"] if kill else []), self.target)

    def signal(self, name: str) -> Reply:
        """Send a signal to the running job, e.g. ``SIGTERM``."""
        return self._call("kill", name, self.target)

    def exists(self) -> bool:
        """Whether launchd has this domain for us at all: ``print`` of the domain itself, by its exit status."""
        return self._call("print", self.domain).verdict == "done"

    def is_disabled(self) -> bool | None:
        """Whether ``launchctl disable`` (or the older ``unload -w``) switched the job off; None where it is not told.

        ``"label" => disabled`` since macOS 13, ``=> true`` before. The switch of System Settings is another one, and is
        not in this list.
        """
        reply = self._call("print-disabled", self.domain)
        if reply.verdict != "done":
            return None
        found = re.search(rf'"{re.escape(self.label)}" => (\w+)', reply.out)
        return found is not None and found[1] in ("disabled", "true")

    def session_type(self) -> str | None:
        """The session of the calling process: ``Aqua`` at a desktop, ``Background`` over ssh; None where untold."""
        reply = self._call("managername")
        return reply.out.strip() or None if reply.verdict == "done" else None

    def getenv(self, name: str) -> str | None:
        """A variable of this login session (``launchctl setenv``); None where it is unset."""
        return self._call("getenv", name).out.rstrip("\n") or None

    def _call(self, *arguments: str) -> Reply:
        done = self._run(("launchctl", *arguments))
        meaning = STATUSES.get(done.returncode) or Meaning("unknown", "a status that innkeep doesn't know")
        text = " ".join((done.stderr or done.stdout).split()) if done.returncode else ""
        return Reply(" ".join(("launchctl", *arguments)), done.returncode, meaning, done.stdout, text)
