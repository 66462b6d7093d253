"""How each client is asked one thing from the command line, unmodified, in a home folder of its own."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from agents.installs import PINS, install, path_with_node


class Said(NamedTuple):
    """How a run ended: exit status (None: it was ended by us), what it printed, seconds."""

    status: int | None
    text: str
    seconds: float


class Driver(NamedTuple):
    """``ask``: the arguments for a prompt; ``lists``: those that list the models, () where it has no such thing.

    ``tool``: words that make the simulated model call one of its tools, "" where it has none. ``environ``: more of the
    environment; what would reach for the network is off, nothing else. ``errand``: it asks for titles and the like.
    ``narrow``: arguments by which a long prompt fits beside its own, as docs/howto/context.md says.
    """

    title: str
    ask: Callable[[str], list[str]]
    lists: tuple[str, ...] = ()
    tool: str = ""
    environ: Mapping[str, str] = MappingProxyType({})
    errand: str = ""
    narrow: tuple[str, ...] = ()


DRIVERS = {
    "claude-code": Driver(
        "Claude Code",
        lambda prompt: ["-p", prompt, "--allowedTools", "Bash"],
        tool="Bash",
        environ={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"},
        narrow=("--tools", "Bash,Edit,Read"),
    ),
    "codex": Driver(
        "Codex",
        lambda prompt: ["exec", "--skip-git-repo-check", prompt],
        tool="exec_command",
    ),
    "opencode": Driver(
        "opencode",
        lambda prompt: ["run", prompt],
        lists=("models", "innkeep"),
        tool="bash",
        environ={"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1",
                 "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"},
        errand="a title",
    ),
    "pi": Driver(
        "pi",
        lambda prompt: ["-p", prompt],
        lists=("--list-models", "innkeep"),
        tool="bash",
        environ={"PI_OFFLINE": "1", "PI_SKIP_VERSION_CHECK": "1"},
    ),
    "aider": Driver(
        "aider",
        lambda prompt: ["--no-check-update", "--no-analytics", "--yes-always", "--no-pretty", "--message", prompt],
        lists=("--no-check-update", "--no-analytics", "--list-models", "ollama_chat/"),
        environ={"AIDER_ANALYTICS": "false", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        errand="a commit message",
    ),
    "llm": Driver(
        "llm",
        lambda prompt: ["-m", "innkeep/coding", "--no-log", prompt],
        lists=("models",),
        tool="llm_version",
    ),
    "llm-ollama": Driver(
        "llm with llm-ollama",
        lambda prompt: ["-m", "ollama/coding", "--no-log", prompt],
        lists=("models",),
        tool="llm_version",
    ),
}  # fmt: skip


class Person:
    """Somebody with a new home folder, a folder of work under git, and one client."""

    def __init__(self, name: str, folder: Path, more: dict[str, str]) -> None:
        self.driver = DRIVERS[name]
        self.name = name
        self.package = "llm" if name == "llm-ollama" else name
        self.program = install(self.package)[0]
        self.home, self.work = folder / "home", folder / "work"
        self.home.mkdir(parents=True)
        self.work.mkdir()
        kept = {key: os.environ[key] for key in ("LANG", "TERM", "TMPDIR") if key in os.environ}
        path = path_with_node() if PINS[self.package].manager == "npm" else os.environ["PATH"]
        nowhere = "http://127.0.0.1:9"
        self.environ = kept | {
            "HOME": str(self.home), "PATH": path, "NO_PROXY": "127.0.0.1,localhost",
            "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "http_proxy": nowhere, "https_proxy": nowhere,
            "no_proxy": "127.0.0.1,localhost", **self.driver.environ, **more,
        }  # fmt: skip
        (self.work / "mean.py").write_text("def mean(xs):\n    return sum(xs) / len(x)\n")
        for words in (["init", "-q"], ["config", "user.email", "a@b"], ["config", "user.name", "a"], ["add", "."],
                      ["commit", "-qm", "begin"]):  # fmt: skip
            subprocess.run(["git", *words], cwd=self.work, env=self.environ, check=True)

    def start(self, arguments: list[str], log: Path) -> "subprocess.Popen[bytes]":
        """Start the client, its output into ``log``."""
        with log.open("wb") as out:
            return subprocess.Popen(
                [str(self.program), *arguments], cwd=self.work, env=self.environ, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def run(self, arguments: list[str], log: Path, seconds: float) -> Said:
        """Run the client to its end, at most so long."""
        began = time.monotonic()
        process = self.start(arguments, log)
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
            end(process)
        return Said(status, log.read_text(errors="replace"), time.monotonic() - began)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a client as Ctrl-C does, and what it started with it; the group is its own."""
    for signal_number in (2, 15, 9):
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            break
        try:
            process.wait(3)
            break
        except subprocess.TimeoutExpired:
            continue
