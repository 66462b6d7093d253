"""How innkeepd is installed on this Mac: which interpreter starts it, and what macOS may hold against its folders.

Read here, judged by ``checks_mac.py``; ``service install`` looks before it writes anything, ``doctor`` at any time.
"""

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct, field

from innkeepd.service.errors import ServiceFault
from innkeepd.service.launchctl import Runner

HEAD = 1024
"""Bytes of a program's beginning that are read for its interpreter."""

MOST_LINKS = 40

FRAGILE = {
    "/.cache/uv/": "uv's cache, which `uv cache prune` empties",
    "/Library/Caches/uv/": "uv's cache, which `uv cache prune` empties",
    "/Cellar/python@": "a version's folder of Homebrew's, which the next `brew upgrade` removes",
    "/.pyenv/versions/": "a version's folder of pyenv's, which `pyenv uninstall` removes",
    "/private/var/folders/": "a temporary folder",
    "/private/tmp/": "a temporary folder",
}
"""Part of a path -> whose it is. Seen: uv#1640, uv#7634, pipx after an upgrade of python@3.N."""

STABLE = ("/opt/python@", "/opt/python3/")
"""Homebrew's links that outlive an upgrade; what they lead to does not matter."""

PROTECTED = ("Desktop", "Documents", "Downloads", "Library/Mobile Documents", "Library/CloudStorage")
"""Folders of a home that macOS guards (TCC): a LaunchAgent is denied, or waits for a question that nobody sees."""

_EXEC = re.compile(rb"""^'''exec' ("?)(.+?)\1 "\$0\"""", re.MULTILINE)
"""pip's and uv's way round a ``#!`` line that is too long or has a space in it: a shell that executes Python."""


class Installation(Struct, frozen=True):
    """What was seen.

    ``fragile`` is why ``interpreter`` may vanish ("" where nothing says so), ``protected`` the paths in folders that
    macOS guards, ``translated`` whether Rosetta runs this Python on Apple silicon.
    """

    program: Path
    interpreter: Path | None = None
    interpreter_works: bool = True
    fragile: str = ""
    protected: list[Path] = field(default_factory=list)
    translated: bool = False


def examine(program: Path, used: Iterable[Path], user_home: Path, run: Runner) -> Installation:
    """Look at ``program`` and at the paths that the service ``used``."""
    interpreter = interpreter_of(program)
    paths = [program, *([interpreter] if interpreter else []), *used]
    return Installation(
        program,
        interpreter,
        interpreter is None or os.access(interpreter, os.X_OK),
        fragile(program, interpreter),
        [path for path in paths if is_protected(path, user_home)],
        is_translated(run),
    )


def interpreter_of(program: Path) -> Path | None:
    """The interpreter that a script names; None for ``/usr/bin/env`` and for what is no script."""
    try:
        with program.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return None
    if not head.startswith(b"#!"):
        return None
    if found := _EXEC.search(head):
        return Path(os.fsdecode(found[2]))
    words = head[2:].split(b"\n", 1)[0].strip().split(b" ")
    return Path(os.fsdecode(words[0])) if words[0] not in (b"", b"/usr/bin/env", b"/bin/sh") else None


def fragile(program: Path, interpreter: Path | None) -> str:
    """Which path on the way to the interpreter an upgrade removes, and whose it is; "" for none."""
    for path in (program, *_links(interpreter), *_venv_home(interpreter)):
        for part, whose in FRAGILE.items():
            if part in f"{path}/":
                return f"{path} is in {whose}"
    return ""


def is_protected(path: Path, user_home: Path) -> bool:
    """Whether the path, or where it leads, is in a folder that macOS guards; ``/Volumes`` is one as well."""
    guarded = [*(user_home / name for name in PROTECTED), Path("/Volumes")]
    return any(one.is_relative_to(folder) for one in (path.absolute(), path.resolve()) for folder in guarded)


def is_translated(run: Runner) -> bool:
    """Whether this is an Intel Python on Apple silicon, as ``hw.optional.arm64`` tells under Rosetta too."""
    if platform.machine() != "x86_64":
        return False
    try:
        return run(("sysctl", "-n", "hw.optional.arm64")).stdout.strip() == "1"
    except ServiceFault:
        return False


def _links(path: Path | None) -> list[Path]:
    """The path, and each link that it leads through, up to one that outlives upgrades."""
    seen: list[Path] = []
    while path is not None and len(seen) < MOST_LINKS:
        if any(part in str(path) for part in STABLE):
            return seen
        seen.append(path)
        path = Path(os.path.normpath(path.parent / path.readlink())) if path.is_symlink() else None
    return seen


def _venv_home(interpreter: Path | None) -> list[Path]:
    """The folder of the Python that a virtual environment was made from."""
    if interpreter is None:
        return []
    try:
        text = (interpreter.parent.parent / "pyvenv.cfg").read_text(errors="replace")
    except OSError:
        return []
    found = re.search(r"^home\s*=\s*(.+)$", text, re.MULTILINE)
    home = Path(found[1].strip()) if found else None
    return [home] if home is not None and not any(part in str(home) for part in STABLE) else []
