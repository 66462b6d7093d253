"""``make attack-check``: plants a bug into a copy of the tree, lets the short attack loose on it, and does so for each.

A bug that nothing finds is a hole in the attack; exit status 1 then. A bug is a pattern that must match exactly once in
the sources, wherever the file lies, so that a move of files does not end the check and a change of the line does.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
SOURCES = ("daemon", "client")
COPIED = (*SOURCES, "tests", "pyproject.toml")


class Bug(NamedTuple):
    """What is wrong then, in words; the pattern that is looked for and what takes its place."""

    what: str
    pattern: str
    planted: str


BUGS = (
    Bug(
        "bytes of an engine that are no UTF-8 are not a fault of that engine",
        r"(decoder\.decode\(data\)\n\s+except \(msgspec\.MsgspecError, )ValueError, ",
        r"\1",
    ),
    Bug(
        "a web site whose name begins with 127. is this machine",
        r"return ip_address\(bare\)\.is_loopback",
        'return bare.startswith("127.") or ip_address(bare).is_loopback',
    ),
    Bug(
        "a pin, a selection, a feedback and a done are acknowledged before they are committed",
        r"(loop\.call_soon_threadsafe, event\.set\)\))[^=]*?return self\._outcome\(barrier\)",
        r"\1\n        return True",
    ),
    Bug(
        "a daemon of another user on the same Ollama is not seen",
        r"elif path\.name\.startswith\(self\._prefix\):(?=\n\s+yield)",
        "elif is_ours and path.name.startswith(self._prefix):",
    ),
    Bug(
        "a fault of one long-lived task is not stopped",
        r"except Exception as error:(?=[^\n]*\n\s+report\(name, error\))",
        "except ZeroDivisionError as error:",
    ),
    Bug(
        "a second heavy model may stand beside the first",
        r"(resident\.heavy for resident in staying\)) >= (\w+\.heavy_limit\)*:)",
        r"\1 > \2",
    ),
    Bug(
        "the beginning of the token is enough",
        r"not hmac\.compare_digest\(secret, self\._token\)",
        "not self._token.startswith(secret)",
    ),
    Bug(
        "a request that is cancelled ends without a word",
        r"if scope\.cancelled_caught:(?=\n\s+self\.send\()",
        "if scope.cancelled_caught and not request:",
    ),
)


def plant(bug: Bug, root: Path) -> Path:
    """Put a bug into a tree; the file. Raises LookupError where its place is not found exactly once."""
    found = []
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            text = path.read_text()
            planted, times = re.subn(bug.pattern, bug.planted, text)
            found += [(path, planted)] * times
    if len(found) != 1:
        places = ", ".join(str(path.relative_to(root)) for path, _ in found) or "nowhere"
        raise LookupError(f"{bug.what!r} has its place {len(found)} times ({places}): mend its pattern in {__file__}")
    path, planted = found[0]
    path.write_text(planted)
    return path


def attack(root: Path) -> str:
    """Run the short attack on a tree until something falls; which attack it was, or nothing."""
    paths = os.pathsep.join(str(root / folder) for folder in SOURCES)
    command = [sys.executable, "-m", "pytest", "tests/attack", "-q", "-x", "-p", "no:cacheprovider"]
    command += ["--ignore=tests/attack/test_planted.py"]
    environ = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=600, check=False)
    fell = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    if done.returncode not in {0, 1} or (done.returncode == 1 and not fell):  # 2: a test could not be imported
        raise RuntimeError(f"the attack could not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return fell[0].replace("tests/attack/", "") if fell else ""


def main() -> int:
    """Plant them all, one after the other; 1 where one was not found."""
    missed = 0
    for number, bug in enumerate(BUGS, 1):
        with tempfile.TemporaryDirectory(prefix="planted-") as name:
            root = Path(name)
            for each in COPIED:
                copy = shutil.copytree if (ROOT / each).is_dir() else shutil.copy2
                copy(ROOT / each, root / each)
            path = plant(bug, root).relative_to(root)
            began = time.monotonic()
            found = attack(root)
        missed += not found
        verdict = f"found by {found}" if found else "NOT FOUND"
        print(f"{number}. {bug.what} ({path}): {verdict} after {time.monotonic() - began:.0f} s", flush=True)
    print(f"{len(BUGS) - missed} of {len(BUGS)} planted bugs found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
