"""A launchd for Linux, in this process: it holds sockets, starts the real innkeepd, and starts it again.

What it does as launchd does: binds and listens before the program runs, and goes on listening when the file is
deleted; leaves the file behind; over a file that is there it passes a socket that never got a name; hands the session's
variables (``setenv``) to the job; starts it again after a failure, not before ThrottleInterval, and at the next
connection after a clean exit; keeps sessions apart. Sockets are handed over the way of systemd, because
``launch_activate_socket`` needs a libSystem. Speaks through ``run``, in launchctl's words and exit statuses.
"""

import os
import plistlib
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.fake_launchctl import TEXTS, VERBS, Refusal, _told

START = """
import os, sys
spare = [os.dup2(int(each), 100 + at, False) for at, each in enumerate(sys.argv[1].split(","))]
for at, each in enumerate(spare):
    os.dup2(each, 3 + at)
os.environ.update(LISTEN_FDS=str(len(spare)), LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""
HASTE = 50.0
"""By how much its ThrottleInterval is shorter than launchd's."""


class Job:
    """A loaded job: its sockets are held for as long as it is loaded, its process comes and goes."""

    def __init__(self, path: Path, environ: dict[str, str]) -> None:
        self.path = path
        self.plist = plistlib.loads(path.read_bytes())
        reported = self.plist["Sockets"]["Listeners"]
        self.environ = environ | self.plist["EnvironmentVariables"] | {"XPC_SERVICE_NAME": self.plist["Label"]}
        self.listener = socket.socket(socket.AF_UNIX)
        if not Path(reported["SockPathName"]).exists():
            self.listener.bind(reported["SockPathName"])
            Path(reported["SockPathName"]).chmod(reported["SockPathMode"])
            self.listener.listen(128)
        self.held = [self.listener]
        if (http := self.plist["Sockets"].get("Http")) is not None:
            port = socket.socket()
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                port.bind((http["SockNodeName"], int(http["SockServiceName"])))
                port.listen(128)
                self.held.append(port)
            except OSError:  # launchd logs it, and hands nothing over under this name
                port.close()
        self.process: subprocess.Popen[bytes] | None = None
        self.runs = 0
        self.ended: int | None = None
        self.throttled = False
        self.lock = threading.RLock()
        self.is_leaving = False
        self.thread = threading.Thread(target=self._keep, daemon=True)
        self.spawn()
        self.thread.start()

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def spawn(self) -> None:
        with self.lock:
            if self.pid is not None or self.is_leaving:
                return
            held = [each.fileno() for each in self.held]
            listed = ",".join(map(str, held))
            with Path(self.plist["StandardErrorPath"]).open("ab") as errors:
                self.process = subprocess.Popen(
                    [sys.executable, "-c", START, listed, *self.plist["ProgramArguments"]],
                    pass_fds=held, env=self.environ, stdout=subprocess.DEVNULL, stderr=errors,
                )  # fmt: skip
            self.runs += 1

    def end(self, how: signal.Signals, within: float) -> None:
        with self.lock:
            process = self.process
        if process is not None and process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(within)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process is not None:
            self.ended = process.returncode

    def leave(self) -> None:
        self.is_leaving = True
        self.end(signal.SIGTERM, self.plist["ExitTimeOut"])
        self.thread.join()
        for each in self.held:
            each.close()

    def _keep(self) -> None:
        while not self.is_leaving:
            process = self.process
            assert process is not None
            try:
                self.ended = process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            if self.ended != 0:
                self.throttled = True
                time.sleep(self.plist["ThrottleInterval"] / HASTE)
                self.spawn()
            elif select.select(self.held, [], [], 0.02)[0]:
                self.spawn()

    def described(self, target: str) -> str:
        number = -(self.ended or 0) if self.pid is None else 0
        return _told(
            target,
            {
                "path": str(self.path),
                "plist": self.plist,
                "pid": self.pid,
                "throttled": self.throttled and self.pid is None,
                "runs": self.runs,
                "last_exit": None if self.ended is None or self.ended < 0 else self.ended,
                "last_signal": f"{signal.Signals(number).name}: {number}" if number > 0 else None,
            },
        )


class FakeLaunchd:
    """``sessions`` are the domains that exist; ``environ`` is what ``launchctl setenv`` has made."""

    def __init__(self, home: Path, sessions: Sequence[str] = ("gui/501", "user/501")) -> None:
        self.sessions = list(sessions)
        self.environ = {"HOME": str(home)}
        self.jobs: dict[str, Job] = {}

    def close(self) -> None:
        for job in self.jobs.values():
            job.leave()
        self.jobs.clear()

    def run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Launchctl; ``sysctl`` fails as it does for a name that is not there."""
        program, verb, *arguments = command
        if program != "launchctl":
            return subprocess.CompletedProcess(command, 1, "", "unknown oid")
        try:
            out = getattr(self, verb.replace("-", "_"))(*arguments)
        except Refusal as refusal:
            status = refusal.args[0]
            text = f"{VERBS.get(verb, verb)} failed: {status}: {TEXTS[status]}"
            return subprocess.CompletedProcess(command, status, "", text)
        return subprocess.CompletedProcess(command, 0, out or "", "")

    # ---- verbs ----

    def managername(self) -> str:
        return "Aqua\n" if "gui/501" in self.sessions else "Background\n"

    def enable(self, _target: str) -> None:
        pass

    def print_disabled(self, _domain: str) -> str:
        return "\tdisabled services = {\n\t}\n"

    def getenv(self, name: str) -> str:
        return self.environ.get(name, "") + "\n"

    def bootstrap(self, domain: str, plist: str) -> None:
        if domain not in self.sessions:
            raise Refusal(5)  # seen over ssh; `print` of the same domain says 125
        reported: dict[str, Any] = plistlib.loads(Path(plist).read_bytes())
        target = f"{domain}/{reported['Label']}"
        session = {"gui": "Aqua", "user": "Background"}.get(domain.partition("/")[0])
        if target in self.jobs or (session and reported.get("LimitLoadToSessionType", "Aqua") != session):
            raise Refusal(5)
        self.jobs[target] = Job(Path(plist), self.environ)

    def bootout(self, target: str) -> None:
        job = self._job(target, 3)
        job.leave()
        del self.jobs[target]

    def kickstart(self, *arguments: str) -> None:
        job = self._job(arguments[-1], 113)
        if "-k" in arguments:
            job.end(signal.SIGKILL, 5)
        job.spawn()

    def kill(self, name: str, target: str) -> None:
        job = self._job(target, 113)
        if job.pid is None:
            raise Refusal(3)
        os.kill(job.pid, getattr(signal, name))

    def print(self, target: str) -> str:
        if target == "system" or (target.count("/") == 1 and not target.startswith("system/")):
            if target not in self.sessions:
                raise Refusal(125)
            return f"{target} = {{\n}}"
        return self._job(target, 113).described(target)

    def _job(self, target: str, absent: int) -> Job:
        if target not in self.jobs:
            raise Refusal(absent)
        return self.jobs[target]
