"""What people install is what was tested: the wheel and the source archive, built, opened, installed afresh and run."""

import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


class Environment:
    """A virtual environment of its own, that knows nothing of the one that the tests run in."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        venv.create(folder, with_pip=True)

    def install(self, what: str) -> None:
        """With pip, from the same places as everything else."""
        self.run("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", what)

    def run(self, command: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of its commands; with ``check`` a failure is the test's."""
        ours = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "COV"))
        }
        asked = [self.bin / command, *arguments]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=self.bin, env=ours)
        said = f"{command} {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert not check or done.returncode == 0, said
        return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wheel, built from the source archive beside it: what an index would hold."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def thin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel without extras: a client on somebody else's machine."""
    environment = Environment(tmp_path_factory.mktemp("thin"))
    environment.install(str(wheel))
    return environment


@pytest.fixture(scope="module")
def full(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with every extra."""
    environment = Environment(tmp_path_factory.mktemp("full"))
    environment.install(f"{wheel}[daemon,top,otel]")
    return environment


def test_the_wheel_holds_every_module_the_types_mark_and_the_licence(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder in (ROOT / "daemon", ROOT / "client"):
        modules = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
        assert modules <= inside
    assert {"innkeep/py.typed", "innkeepd/py.typed"} <= inside
    assert any(name.endswith("/licenses/LICENSE") for name in inside)
    assert not [
        name for name in inside if name.split("/")[0] not in ("innkeep", "innkeepd") and "dist-info" not in name
    ]


def test_the_source_archive_holds_what_a_packager_needs(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        inside = {name.partition("/")[2] for name in opened.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "Makefile", "tests/test_wheel.py"} <= inside
    assert not [name for name in inside if "__pycache__" in name or name.startswith(".venv")]


def test_a_thin_client_needs_no_more_than_two_libraries(thin):
    listed = thin.run("python", "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check").stdout
    names = {line.partition("==")[0].lower() for line in listed.split()}
    assert names - {"pip", "setuptools", "wheel"} <= {
        "innkeep",
        "msgspec",
        "anyio",
        "idna",
        "sniffio",
        "typing_extensions",
    }
    thin.run("python", "-W", "error", "-c", "import innkeep; innkeep.Client; innkeep.AsyncClient")
    assert "innkeep ask" in thin.run("innkeep", "--help").stdout


def test_a_thin_install_says_in_one_line_what_the_daemon_needs(thin):
    refused = thin.run("innkeepd", "run", check=False)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert "innkeep[daemon]" in refused.stderr


def test_the_full_install_knows_its_version_and_imports_every_module(full):
    version = _version()
    assert version in full.run("innkeep", "--version").stdout
    assert version in full.run("innkeepd", "--version").stdout
    every = (
        "import importlib, pkgutil, innkeep, innkeepd\n"
        "for package in (innkeep, innkeepd):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not module.name.endswith('__main__'):\n"
        "            importlib.import_module(module.name)\n"
    )
    full.run("python", "-W", "error", "-c", every)


def test_what_is_installed_fits_together(full):
    full.run("python", "-m", "pip", "check", "--disable-pip-version-check")


def _version() -> str:
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return version
