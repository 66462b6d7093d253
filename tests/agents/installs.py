"""Real clients from the registries, at pinned versions, each in a folder of the cache outside the tree."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from support.ollama import cache_folder

FOLDER = cache_folder() / "clients"
LONGEST = 2400.0
"""Seconds of one installation."""


class Pin(NamedTuple):
    """What to install: by ``npm`` or ``pip``; the program's path below the folder; the ``version`` that is shown."""

    manager: str
    packages: tuple[str, ...]
    program: str
    version: str


PINS = {
    "node": Pin("npm", ("node@22",), "node_modules/node/bin/node", "22"),
    "claude-code": Pin("npm", ("@anthropic-ai/claude-code@2.1.331",), "node_modules/.bin/claude", "2.1.331"),
    "codex": Pin("npm", ("@openai/codex@0.169.0",), "node_modules/.bin/codex", "0.169.0"),
    "opencode": Pin("npm", ("opencode-ai@1.18.33",), "node_modules/.bin/opencode", "1.18.33"),
    "pi": Pin("npm", ("@mariozechner/pi-coding-agent@0.73.1",), "node_modules/.bin/pi", "0.73.1"),
    "aider": Pin("pip", ("aider-chat==0.86.2",), "bin/aider", "0.86.2"),
    "llm": Pin("pip", ("llm==0.36", "llm-ollama==0.19.1"), "bin/llm", "0.36"),
    "open-webui": Pin("pip", ("open-webui==0.12.4",), "bin/open-webui", "0.12.4"),
}


class NotInstalled(Exception):
    """The registries do not serve it here, or it does not install; the text says what was seen."""


def install(name: str) -> tuple[Path, float]:
    """The client's program, and the seconds that its installation took (0 where it was there). Raises NotInstalled."""
    pin, folder = PINS[name], FOLDER / name
    program, stamp = folder / pin.program, folder / ".installed"
    wanted = " ".join(pin.packages)
    if program.exists() and stamp.exists() and stamp.read_text().split("\n")[0] == wanted:
        return program, 0.0
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in _commands(pin, folder):
        try:
            done = subprocess.run(
                ["nice", "-n", "10", *command], cwd=folder, capture_output=True, text=True, timeout=LONGEST, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise NotInstalled(f"{command[0]}: {fault}") from None
        if done.returncode:
            raise NotInstalled(f"{' '.join(pin.packages)}: {(done.stderr or done.stdout).strip()[-300:]}")
    if not program.exists():
        raise NotInstalled(f"{wanted}: installed without {pin.program}")
    seconds = time.monotonic() - began
    stamp.write_text(f"{wanted}\n{seconds:.0f}\n")
    return program, seconds


def took(name: str) -> float:
    """Seconds that the installation took, whenever that was; 0 where nobody noted it."""
    stamp = FOLDER / name / ".installed"
    lines = stamp.read_text().split("\n") if stamp.exists() else []
    return float(lines[1]) if len(lines) > 1 and re.fullmatch(r"\d+", lines[1]) else 0.0


def path_with_node() -> str:
    """PATH with the Node that these clients want in front."""
    return os.pathsep.join([str(install("node")[0].parent), os.environ["PATH"]])


def _commands(pin: Pin, folder: Path) -> list[list[str]]:
    if pin.manager == "npm":
        (folder / "package.json").write_text(json.dumps({"private": True}))
        return [["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *pin.packages]]
    return [
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", "--prefer-binary", *pin.packages],
    ]
