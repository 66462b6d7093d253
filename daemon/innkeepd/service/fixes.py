"""``innkeep doctor --fix``: the advised commands that are safe, run after a person has agreed to each."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from innkeep.language import _
from innkeepd.service.cli import World
from innkeepd.service.facts import Finding

SAFE = (
    ("chmod", "600"),
    ("chmod", "700"),
    ("innkeep", "init"),
    ("innkeep", "models", "set"),
    ("innkeep", "service", "install"),
    ("innkeep", "service", "restart"),
    ("innkeep", "service", "start"),
)
"""Beginnings of commands that delete nothing, download nothing and end nobody's answer but innkeep's own."""

AGREES = ("", "y", "yes", "ㅛ", "예", "네")


def commands_of(finding: Finding) -> list[list[str]]:
    """The commands of its advice, where all of them are safe: the whole advice, or its first `quoted` one."""
    for text in (finding.mend, *re.findall(r"^`([^`]+)`", finding.mend)):
        try:
            parts = [shlex.split(part) for part in text.split(" && ")]
        except ValueError:
            continue
        if parts and all(is_safe(part) for part in parts):
            return parts
    return []


def is_safe(command: Sequence[str]) -> bool:
    """Whether it begins as one of ``SAFE`` and does one thing only."""
    begins = any(tuple(command[: len(safe)]) == safe for safe in SAFE)
    return begins and not any(set(word) & set("`;|&<>$,") for word in command)


def fix(findings: Iterable[Finding], world: World, read: Callable[[str], str] | None = None) -> bool:
    """Ask for each finding that can be fixed, and run its commands; whether anything was run."""
    has_run = False
    for finding in findings:
        if finding.level == "ok" or not (commands := commands_of(finding)):
            continue
        if read is None and not sys.stdin.isatty():
            world.say(_("--fix asks before each command, and there is no terminal to ask at"))
            return has_run
        shown = " && ".join(shlex.join(command) for command in commands)
        question = _("{name}: run `{command}`? [Y/n] ", name=finding.name, command=shown)
        try:
            agreed = (read or input)(question).strip().lower() in AGREES
        except EOFError:
            return has_run
        if agreed:
            has_run = True
            for command in commands:
                if run_here(command):
                    break
    return has_run


def run_here(command: Sequence[str]) -> int:
    """Run one command on this terminal; its exit status. ``innkeep`` is the one beside this Python."""
    beside = Path(sys.executable).with_name(command[0])
    program = str(beside) if command[0] == "innkeep" and beside.is_file() else command[0]
    try:
        return subprocess.run([program, *command[1:]], check=False).returncode  # noqa: S603  # of SAFE only
    except OSError:
        return 1
