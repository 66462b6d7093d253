"""A Mac for the service's tests: paths in a short folder, the fake launchctl on PATH, a clock that only counts."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from innkeepd.service.cli import World
from innkeepd.service.errors import Unsupported
from innkeepd.service.install import LaunchAgent
from innkeepd.service.paths import Paths
from innkeepd.service.plist import LABEL
from innkeepd.service.probe import Answer
from innkeepd.service.systemd import UserUnit

FAKES = {"darwin": ("launchctl", "fake_launchctl.py"), "linux": ("systemctl", "fake_systemctl.py")}
GUI = f"gui/501/{LABEL}"
USER = f"user/501/{LABEL}"


class CountingClock:
    """Time that passes only by being slept."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept += seconds


class FakeMac:
    """A machine under ``root`` with launchd's world in a file; ``answer`` is what the daemon's socket says when its
    job runs."""

    def __init__(self, root: Path, platform: str = "darwin") -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()
        self.world = root / "launchd.json"
        program = self.executable("innkeepd", "exit 0")
        self.executable("sysctl", "exit 1")
        home = root / "home"
        home.mkdir()
        self.environ = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(home)}
        self.environ |= {"FAKE_LAUNCHCTL_STATE": str(self.world), "FAKE_SYSTEMCTL_STATE": str(self.world)}
        daemon = home / ".innkeep"
        logs = home / "Library" / "Logs" / "innkeep" if platform == "darwin" else daemon / "logs"
        self.paths = Paths(501, home, daemon, daemon / "innkeepd.sock", logs, program, {}, platform)
        self.clock = CountingClock()
        self.said: list[str] = []
        self.answer = Answer("welcome", version="0.1.0", pid=4001)
        self.stranger: Answer | None = None
        name, source = FAKES[platform]
        fake = self.bin / name
        fake.write_text(f"#!{sys.executable} -IS\n{Path(__file__).with_name(source).read_text()}")
        fake.chmod(0o755)

    def executable(self, name: str, script: str) -> Path:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def run(self, command: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command with this machine's PATH, as a child sees it."""
        found = shutil.which(command[0], path=self.environ["PATH"])
        if found is None:
            raise Unsupported(f"there is no `{command[0]}` on this machine")
        return subprocess.run((found, *command[1:]), capture_output=True, text=True, check=False, env=self.environ)

    def ask(self, path: Path, timeout: float = 2.0) -> Answer:
        """What the socket says: ``stranger`` if there is one, else ``answer`` while a job has a process.

        Without a file it is absent. launchd accepts for a job that does not run, and there nobody answers.
        """
        assert path == self.paths.socket
        if self.stranger is not None:
            return self.stranger
        if self.paths.platform == "darwin" and not self.paths.socket.exists():
            return Answer("absent")
        if any(job["pid"] for job in self.jobs.values()) or "innkeepd.service" in self.at.get("active", []):
            return self.answer
        return Answer("silent" if self.jobs else "refused")

    def agent(self, **changed: Any) -> LaunchAgent:
        return LaunchAgent(
            **{"paths": self.paths, "run": self.run, "clock": self.clock, "say": self.said.append, "ask": self.ask}
            | changed
        )

    def unit(self, **changed: Any) -> UserUnit:
        return UserUnit(
            **{"paths": self.paths, "run": self.run, "clock": self.clock, "say": self.said.append, "ask": self.ask}
            | changed
        )

    def everything(self) -> World:
        """What the commands touch."""
        return World(self.environ, 501, self.paths.platform, self.run, self.clock, self.said.append, self.ask)

    # ---- launchd's world -------------------------------------------------------------------------------------------

    @property
    def at(self) -> dict[str, Any]:
        return json.loads(self.world.read_text()) if self.world.exists() else {"jobs": {}, "calls": [], "disabled": []}

    @property
    def jobs(self) -> dict[str, Any]:
        return self.at.get("jobs", {})

    @property
    def verbs(self) -> list[str]:
        """The verbs that changed something, in order."""
        return [call[0] for call in self.at["calls"] if call[0] not in ("print", "show", "is-active", "managername")]

    def set(self, **changes: Any) -> None:
        """Change launchd's world."""
        self.world.write_text(json.dumps(self.at | changes))

    def forget_calls(self) -> None:
        self.set(calls=[])
        self.said.clear()
        self.clock.slept = 0.0
