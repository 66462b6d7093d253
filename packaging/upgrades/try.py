"""Install, upgrade and break innkeep by pip, pipx and uv for real, under a launchd for Linux, and see the service live.

Run ``make upgrades``, or ``python packaging/upgrades/try.py [TOOL...]`` beside ``pipx``, ``uv`` and ``build``.
It builds this tree (as committed) as two versions, installs the first with each tool, installs the service, upgrades
with the tool's own command, and restarts. Then it removes the interpreter as a Homebrew upgrade of Python does, asks
the doctor's check, and mends it by what the check advises. Everything happens in a temporary folder.
"""

# ruff: noqa: S101 - what does not hold ends the trial

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from innkeep import Client  # noqa: E402
from innkeepd.service.checks_mac import interpreter  # noqa: E402
from innkeepd.service.cli import World, main  # noqa: E402
from innkeepd.service.installation import examine  # noqa: E402
from support.launchd import FakeLaunchd  # noqa: E402

CONFIG = '[http]\nenabled = false\n\n[ollama]\nurl = "http://127.0.0.1:9"\n'
OLD, NEW = "0.1.0", "0.1.1"


class Tool(Struct, frozen=True):
    """How one tool installs, upgrades and mends; ``bin`` holds its commands, ``venv`` the environment."""

    name: str
    install: tuple[str, ...]
    upgrade: tuple[str, ...]
    mend: tuple[str, ...]
    bin: str
    venv: str


TOOLS = (
    Tool(
        "pip",
        ("venv/bin/python", "-m", "pip", "install", "innkeep[daemon]"),
        ("venv/bin/python", "-m", "pip", "install", "--upgrade", "innkeep[daemon]"),
        (sys.executable, "-m", "venv", "--upgrade", "venv"),
        "venv/bin",
        "venv",
    ),
    Tool(
        "pipx",
        ("pipx", "install", "innkeep[daemon]"),
        ("pipx", "upgrade", "innkeep"),
        ("pipx", "reinstall", "innkeep"),
        ".local/bin",
        "pipx/venvs/innkeep",
    ),
    Tool(
        "uv tool",
        ("uv", "tool", "install", "innkeep[daemon]"),
        ("uv", "tool", "upgrade", "innkeep"),
        ("uv", "tool", "install", "--force", "innkeep[daemon]"),
        ".local/bin",
        "uv-tools/innkeep",
    ),
)


def run(*command: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end; its output. Raises ``SystemExit`` with all that it printed where it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(version: str, out: Path, work: Path) -> None:
    """A wheel of this tree (as committed) with that version."""
    tree = work / f"tree-{version}"
    tree.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "x"], cwd=tree, input=archive, check=True)
    for name in ("pyproject.toml", "daemon/innkeepd/__init__.py"):
        file = tree / name
        file.write_text(file.read_text().replace(f'"{OLD}"', f'"{version}"'))
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree), cwd=work)


class Trial:
    """One tool in a home of its own."""

    def __init__(self, tool: Tool, home: Path, wheels: Path) -> None:
        self.tool = tool
        self.home = home
        home.mkdir()
        (home / ".innkeep").mkdir(mode=0o700)
        (home / ".innkeep" / "config.toml").write_text(CONFIG)
        self.env = {
            "HOME": str(home),
            "PATH": f"{home / tool.bin}:{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_CONFIG_FILE": str(home / "uv.toml"),
            "UV_TOOL_DIR": str(home / "uv-tools"),
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_CACHE_DIR": str(home / "uv-cache"),
            "PIPX_HOME": str(home / "pipx"),
            "PIPX_DEFAULT_PYTHON": sys.executable,
        }
        (home / "uv.toml").write_text(f'no-index = true\nfind-links = ["{wheels}"]\n')  # pipx may run uv as well
        if tool.name == "pip":
            run(sys.executable, "-m", "venv", str(home / "venv"), cwd=home)
        self.launchd = FakeLaunchd(home)

    def do(self, command: tuple[str, ...]) -> None:
        """One command of the tool."""
        run(*command, cwd=self.home, env=self.env)

    def service(self, *words: str) -> int:
        """One verb of ``innkeep service``, as the installed program would do it."""
        sys.argv = [str(self.home / self.tool.bin / "innkeep")]
        said: list[str] = []
        status = main(words, World(self.env, 501, "darwin", self.launchd.run, say=said.append))
        print("    ", "; ".join(said)[:200])
        return status

    def version(self) -> str:
        """Of the daemon that answers."""
        with Client(self.home / ".innkeep" / "innkeepd.sock", greet_within=30) as client:
            return client.status().daemon

    def examine(self) -> str:
        """The level of the doctor's finding about the interpreter."""
        program = self.home / self.tool.bin / "innkeepd"
        finding = interpreter(examine(program, [], self.home, self.launchd.run))
        print(f"     doctor: {finding.level}: {finding.saw}")
        return finding.level

    def plist(self) -> bytes:
        """What is installed."""
        return (self.home / "Library/LaunchAgents/dev.innkeep.innkeepd.plist").read_bytes()


def attempt(tool: Tool, work: Path, wheels: Path, publish: Callable[[], None], hide: Callable[[], None]) -> None:
    """Install, upgrade, break and mend with one tool. Raises ``AssertionError`` for what does not hold."""
    trial = Trial(tool, work / tool.name.replace(" ", "-"), wheels)
    try:
        hide()
        trial.do(tool.install)
        assert trial.service("install") == 0
        assert trial.version() == OLD
        before = trial.plist()
        publish()
        trial.do(tool.upgrade)
        assert trial.examine() != "error"
        assert trial.version() == OLD, "the running daemon goes on"
        assert trial.service("restart") == 0
        assert trial.version() == NEW
        assert trial.service("install") == 0
        assert trial.plist() == before, "the path in the plist outlives the upgrade"
        python = trial.home / tool.venv / "bin" / "python"
        target = python.readlink()
        python.unlink()
        python.symlink_to("/gone/python")
        assert trial.examine() == "error"
        python.unlink()
        python.symlink_to(target)
        shutil.rmtree(trial.home / tool.venv / "bin" / "__pycache__", ignore_errors=True)
        python.unlink()
        trial.do(tool.mend)
        assert trial.examine() != "error"
        assert trial.service("restart") == 0
        assert trial.version() == NEW
        assert trial.service("uninstall") == 0
        files = (path for path in (trial.home / ".innkeep").rglob("*") if path.is_file())
        left = sorted(path.name for path in files)
        assert left == ["config.toml", "innkeepd.log"], left  # on a Mac the log is in ~/Library/Logs, and goes too
        print(f"{tool.name}: installed, upgraded, mended, uninstalled")
    finally:
        trial.launchd.close()


def everything(work: Path) -> None:
    """Every tool, one after the other."""
    wheels, new = work / "wheels", work / "new"
    build(OLD, wheels, work)
    build(NEW, new, work)
    old = next(wheels.glob("innkeep-*.whl"))
    run(sys.executable, "-m", "pip", "download", "-q", "-d", str(wheels), f"{old}[daemon]", cwd=work)
    run(sys.executable, "-m", "pip", "download", "-q", "-d", str(wheels), "pip", "setuptools", "wheel", cwd=work)
    upgrade = next(new.glob("innkeep-*.whl"))
    for tool in [tool for tool in TOOLS if tool.name in (sys.argv[1:] or [tool.name])]:
        attempt(
            tool,
            work,
            wheels,
            publish=lambda: shutil.copy(upgrade, wheels),  # type: ignore[arg-type, return-value]
            hide=lambda: (wheels / upgrade.name).unlink(missing_ok=True),
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="innkeep-upgrades-") as folder:
        everything(Path(folder))
