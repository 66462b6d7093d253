"""The Homebrew formula names every package that innkeep needs. brew itself was never run by us."""

import importlib.util
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parents[1] / "packaging" / "homebrew"
FORMULA = (FOLDER / "innkeep.rb").read_text("utf-8")
MAC = {"sys_platform": "darwin", "platform_system": "Darwin", "python_version": "3.13", "python_full_version": "3.13.0"}


def needed(texts: Iterable[str], extras: set[str], found: set[str]) -> set[str]:
    """What these requirements need on a Mac with Python 3.13, and what that needs."""
    for text in texts:
        wanted = Requirement(text)
        package = canonicalize_name(wanted.name)
        if wanted.marker and not any(wanted.marker.evaluate(MAC | {"extra": extra}) for extra in extras | {""}):
            continue
        if package not in found:
            found.add(package)
            needed(requires(package) or (), wanted.extras, found)
    return found


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_formula", FOLDER / "make.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lock(*names: str) -> dict[str, object]:
    def archive(name: str) -> dict[str, object]:
        return {"url": f"https://h/{name}.tar.gz", "hashes": {"sha256": "ab" * 32}}

    return {"packages": [{"name": name, "version": "1", "sdist": archive(name)} for name in names]}


def test_the_formula_names_every_package_that_the_daemon_needs_and_no_other(make: ModuleType):
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["daemon"]]
    assert make.names(FORMULA) == needed(wanted, set(), set())


def test_it_installs_its_resources():
    """``pip_install`` alone resolves nothing: the program would die at its first import."""
    assert "virtualenv_install_with_resources" in FORMULA


def test_every_package_of_the_lock_becomes_a_resource(make: ModuleType):
    names = sorted(make.names(FORMULA))
    text = make.render(FORMULA, lock(*names, "innkeep"), "https://h/i.tar.gz", "cd" * 32)
    assert [line.split('"')[1] for line in text.splitlines() if line.startswith("  resource ")] == names
    assert 'url "https://h/i.tar.gz"\n  sha256 "cdcd' in text
    assert make.MARK not in text


def test_a_package_that_the_formula_does_not_name_or_that_has_no_source_is_an_error(make: ModuleType):
    with pytest.raises(ValueError, match="left-pad is needed and not in the formula"):
        make.render(FORMULA, lock("left-pad"), "u", "s")
    with pytest.raises(ValueError, match="no source archive"):
        make.render(FORMULA, {"packages": [{"name": "anyio", "version": "1"}]}, "u", "s")


@pytest.mark.skipif(shutil.which("ruby") is None, reason="no ruby here")
@pytest.mark.parametrize("rendered", [False, True])
def test_ruby_reads_the_formula(make: ModuleType, tmp_path: Path, rendered: bool):
    text = make.render(FORMULA, lock("anyio", "msgspec"), "https://h/i.tar.gz", "cd" * 32) if rendered else FORMULA
    (tmp_path / "innkeep.rb").write_text(text)
    done = subprocess.run(["ruby", "-c", "innkeep.rb"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Syntax OK" in done.stdout
