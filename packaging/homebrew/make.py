"""Write the formula of a release: ``python packaging/homebrew/make.py URL SHA256 > innkeep.rb``.

The dependencies' addresses and hashes are those of ``pip lock``, asked for source archives, because brew's
``pip_install`` builds everything from source and resolves nothing (``--no-deps --no-binary=:all:``). They are not kept
in this tree: the formula here holds the names only, and ``tests/test_formula.py`` holds those to what innkeep needs.
"""

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FORMULA = HERE / "innkeep.rb"
MARK = "  # resources:"
"""The line of the formula that names every dependency; ``render`` puts the blocks in its place."""

RELEASE = ("https://innkeep.dev/releases/innkeep-0.1.0.tar.gz", "0" * 64)
"""What stands in the formula for the release's address and hash."""


def main(argv: Sequence[str]) -> int:
    """Print the formula for the archive at ``argv[0]`` with the SHA-256 ``argv[1]``; the exit status."""
    if len(argv) != 2:
        sys.stderr.write("usage: make.py URL SHA256\n")
        return 2
    sys.stdout.write(render(FORMULA.read_text("utf-8"), locked(), *argv))
    return 0


def locked() -> dict[str, Any]:
    """``pip lock`` for the daemon, source archives only: a ``pylock.toml`` (PEP 751)."""
    with tempfile.TemporaryDirectory() as folder:
        sources = ",".join(sorted(names(FORMULA.read_text("utf-8"))))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        wanted = [*project["dependencies"], *project["optional-dependencies"]["daemon"]]
        out = Path(folder) / "pylock.toml"
        command = [sys.executable, "-m", "pip", "lock", "--quiet", "--no-binary", sources, "--output", str(out)]
        subprocess.run([*command, *wanted], check=True)
        return tomllib.loads(out.read_text("utf-8"))


def render(formula: str, lock: Mapping[str, Any], url: str, sha256: str) -> str:
    """The formula with its release and a ``resource`` block for every package of ``lock``.

    Raises ``ValueError`` where a package has no source archive or is not among the names of the formula.
    """
    blocks, named = [], names(formula)
    for package in sorted(lock["packages"], key=lambda one: one["name"]):
        name, archive = package["name"], package.get("sdist")
        if name == "innkeep":
            continue
        if name not in named:
            raise ValueError(f"{name} is needed and not in the formula: add it to the line `{MARK.strip()}`")
        if archive is None:
            raise ValueError(f"{name} {package.get('version')} has no source archive, and brew builds from source")
        digest = archive["hashes"]["sha256"]
        blocks.append(f'  resource "{name}" do\n    url "{archive["url"]}"\n    sha256 "{digest}"\n  end\n')
    line = next(line for line in formula.splitlines() if line.startswith(MARK))
    formula = formula.replace(line + "\n", "\n".join(blocks))
    return formula.replace(RELEASE[0], url).replace(RELEASE[1], sha256)


def names(formula: str) -> set[str]:
    """The dependencies that the formula names."""
    line = next(line for line in formula.splitlines() if line.startswith(MARK))
    return set(line.removeprefix(MARK).split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
