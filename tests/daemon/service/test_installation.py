import subprocess
import sys
from pathlib import Path

import pytest

from innkeepd.service.errors import ServiceFault
from innkeepd.service.installation import examine, fragile, interpreter_of, is_protected, is_translated


def script(folder: Path, text: str) -> Path:
    path = folder / "innkeepd"
    path.write_text(text)
    return path


def answers(text: str):
    return lambda command: subprocess.CompletedProcess(command, 0, text, "")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("#!/opt/venv/bin/python3.13\nimport x\n", "/opt/venv/bin/python3.13"),
        ("#!/opt/venv/bin/python -I\n", "/opt/venv/bin/python"),
        ("#!/bin/sh\n'''exec' \"/Users/a b/venv/bin/python\" \"$0\" \"$@\"\n' '''\n", "/Users/a b/venv/bin/python"),
        ("#!/bin/sh\n'''exec' /very/long/bin/python \"$0\" \"$@\"\n' '''\n", "/very/long/bin/python"),
        ("#!/usr/bin/env python3\n", None),
        ("#!\n", None),
        ("\x7fELF", None),
    ],
)
def test_the_interpreter_is_read_from_the_script(tmp_path: Path, text: str, found: str | None):
    assert interpreter_of(script(tmp_path, text)) == (Path(found) if found else None)


def test_a_program_that_cannot_be_read_has_no_interpreter(tmp_path: Path):
    assert interpreter_of(tmp_path / "nothing") is None


def test_an_interpreter_that_vanished_is_seen_through_the_links_to_it(tmp_path: Path):
    """What an upgrade of Homebrew's Python leaves of a virtual environment: a link to nothing."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to("/opt/homebrew/Cellar/python@3.13/3.13.1/bin/python3.13")
    found = examine(script(tmp_path, f"#!{tmp_path}/bin/python\n"), [], Path("/Users/you"), answers("0"))
    assert not found.interpreter_works
    assert "Homebrew" in found.fragile


@pytest.mark.parametrize(
    ("program", "whose"),
    [
        ("/Users/you/.cache/uv/archive-v0/x/bin/innkeepd", "uv's cache"),
        ("/Users/you/.pyenv/versions/3.12.1/bin/innkeepd", "pyenv"),
        ("/opt/homebrew/bin/innkeepd", ""),
        ("/Users/you/.local/bin/innkeepd", ""),
    ],
)
def test_a_program_in_a_folder_that_an_upgrade_removes_is_fragile(program: str, whose: str):
    found = fragile(Path(program), None)
    assert (whose in found) if whose else found == ""


def test_a_link_that_outlives_upgrades_is_not_followed_to_the_version_behind_it(tmp_path: Path):
    (tmp_path / "python").symlink_to("/opt/homebrew/opt/python@3.13/bin/python3.13")
    assert fragile(Path("/opt/homebrew/bin/innkeepd"), tmp_path / "python") == ""


def test_the_folder_that_a_virtual_environment_was_made_from_counts(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("")
    (tmp_path / "pyvenv.cfg").write_text("home = /Users/you/.pyenv/versions/3.12.1/bin\nversion = 3.12.1\n")
    assert "pyenv" in fragile(Path("/usr/local/bin/innkeepd"), tmp_path / "bin" / "python")
    (tmp_path / "pyvenv.cfg").write_text("version = 3.12.1\n")
    assert fragile(Path("/usr/local/bin/innkeepd"), tmp_path / "bin" / "python") == ""


@pytest.mark.parametrize(
    ("path", "guarded"),
    [
        ("Documents/innkeep/.venv/bin/innkeepd", True),
        ("Desktop", True),
        ("Library/Mobile Documents/com~apple~CloudDocs/x", True),
        ("/Volumes/Extern/innkeep", True),
        (".innkeep", False),
        ("Documents2/x", False),
        ("Library/Logs/innkeep", False),
    ],
)
def test_folders_that_macos_guards(tmp_path: Path, path: str, guarded: bool):
    assert is_protected(tmp_path / path, tmp_path) is guarded


def test_a_link_into_a_guarded_folder_is_guarded(tmp_path: Path):
    (tmp_path / "Documents").mkdir()
    (tmp_path / ".innkeep").symlink_to(tmp_path / "Documents")
    assert is_protected(tmp_path / ".innkeep", tmp_path)


def test_an_intel_python_on_apple_silicon_is_translated(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert is_translated(answers("1\n"))
    assert not is_translated(answers(""))

    def hangs(_command: object) -> None:
        raise ServiceFault("no answer")

    assert not is_translated(hangs)
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert not is_translated(answers("1\n"))


def test_this_very_interpreter_works(tmp_path: Path):
    found = examine(script(tmp_path, f"#!{sys.executable}\n"), [tmp_path / "home"], Path("/Users/you"), answers("0"))
    assert found.interpreter_works
    assert found.protected == []
