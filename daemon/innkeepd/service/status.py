"""``service status``: what the service manager says, what the socket says, and the one line that follows from both.

Looking (``look``) is apart from judging (``judge``), which is pure. Exit status of the command: 0 it answers, 1 it is
there and does not work, 3 it does not run (as ``systemctl status`` has it).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from innkeep.language import _, translated
from innkeepd.service.files import tail
from innkeepd.service.launchctl import Job
from innkeepd.service.paths import Paths
from innkeepd.service.probe import Answer

State = Literal["running", "foreground", "bad_config", "failing", "silent", "idle", "stopped", "not_installed"]
LAST_WORDS = 5
"""Lines of crash.log that are shown."""

EXIT: dict[State, int] = {"running": 0, "foreground": 0, "idle": 0, "stopped": 3, "not_installed": 3}
"""Exit status by state; 1 for the others."""


class Service(Protocol):
    """What the sides of launchd and systemd have in common; every verb may be said twice."""

    paths: Paths

    def install(self) -> Answer:
        """Install and start; what the socket says then."""
        ...

    def uninstall(self, *, keep_state: bool = False) -> None:
        """Stop and remove."""
        ...

    def start(self) -> Answer:
        """Start what is installed."""
        ...

    def stop(self) -> None:
        """Stop until the next login."""
        ...

    def restart(self) -> Answer:
        """Stop and start, without refusing anybody."""
        ...

    def definition(self) -> dict[Path, bytes]:
        """The files that ``install`` would write."""
        ...

    def is_current(self) -> bool:
        """Whether what is installed is what ``install`` would write."""
        ...

    def is_installed(self) -> bool:
        """Whether the files are there, whatever is in them."""
        ...

    def job(self) -> tuple[str, Job] | None:
        """The manager's name for the job and what it tells of it; None where it has none loaded."""
        ...


class View(Struct, frozen=True):
    """Everything that was seen. ``target`` is the manager's name for the job."""

    socket: str
    answer: Answer
    installed: bool
    current: bool
    target: str | None = None
    job: Job | None = None
    last_words: list[str] = []


class Standing(Struct, frozen=True):
    """The judgement: a state, one sentence why, and the command that mends it, if one does."""

    state: State
    why: str
    mend: str = ""

    @property
    def exit_status(self) -> int:
        """Of the command."""
        return EXIT.get(self.state, 1)


def look(service: Service, ask: Callable[..., Answer]) -> View:
    """See what there is to see. The socket is asked last: under launchd that alone may start the daemon."""
    paths, found = service.paths, service.job()
    installed = service.is_installed()
    return View(
        socket=str(paths.socket),
        answer=ask(paths.socket, 3.0),
        installed=installed,
        current=installed and service.is_current(),
        target=found[0] if found else None,
        job=found[1] if found else None,
        last_words=tail(paths.crash_log, LAST_WORDS),
    )


def judge(view: View) -> Standing:
    """What a view means."""
    answer, job = view.answer, view.job
    if answer.how == "error" and answer.code == "bad_config":
        return Standing("bad_config", f"it runs, but refuses every request: {answer.message}", "innkeep config check")
    if answer.how == "welcome":
        version = f"innkeepd {answer.version}, pid {answer.pid}"
        if job is None:
            return Standing("foreground", f"{version}, not as a service", "innkeep service install")
        if not view.current:
            return Standing("running", f"{version}, from an older definition", "innkeep service install")
        return Standing("running", version)
    if job is not None and _has_failed(job):
        return Standing("failing", _end_of(job), "look at the last words below, then `innkeep service restart`")
    if answer.how == "error":
        return Standing("silent", f"the socket answers {answer.code}: {answer.message}")
    if answer.how == "forbidden":
        return Standing("silent", f"{view.socket} belongs to another user", f"ls -l {view.socket}")
    if job is not None and job.pid is not None:
        return Standing(
            "silent", f"pid {job.pid} runs, but nothing answers at {view.socket}", "innkeep service restart"
        )
    if job is not None:
        return Standing("stopped", f"loaded, but not running ({_end_of(job)})", "innkeep service start")
    if view.installed:
        return Standing("stopped", "installed, but not loaded", "innkeep service start")
    return Standing("not_installed", "there is no service", "innkeep service install")


def render(view: View, standing: Standing) -> str:
    """The view as text for a person."""
    lines = [f"{_(standing.state.replace('_', ' '))}: {translated(standing.why)}"]
    if standing.mend:
        lines.append("  " + _("fix: {command}", command=translated(standing.mend)))
    lines.append("  " + _("socket: {path} ({state})", path=view.socket, state=_(view.answer.how)))
    if view.job is not None:
        job = view.job
        parts = [f"state {job.state or 'unknown'}", f"pid {job.pid}" if job.pid else "", _end_of(job)]
        parts.append(f"started {job.runs} times" if job.runs else "")
        lines.append(f"  job: {view.target}: {', '.join(part for part in parts if part)}")
    if view.last_words and EXIT.get(standing.state, 1):
        lines += ["  last words (crash.log):", *(f"    {line}" for line in view.last_words)]
    return "\n".join(lines)


def _has_failed(job: Job) -> bool:
    return job.pid is None and (job.is_throttled or job.last_exit not in (None, 0) or job.last_signal is not None)


def _end_of(job: Job) -> str:
    if job.last_signal is not None:
        return f"ended by a signal: {job.last_signal}"
    return "never exited" if job.last_exit is None else f"last exit code {job.last_exit}"
