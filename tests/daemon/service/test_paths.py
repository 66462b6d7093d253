import os
import sys
from pathlib import Path

import pytest

from innkeepd.service.errors import ServiceFault
from innkeepd.service.paths import locate, stable_program


@pytest.fixture
def program(short_path: Path) -> Path:
    path = short_path / "bin" / "innkeepd"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_places_of_a_mac(short_path: Path, program: Path):
    paths = locate({"HOME": str(short_path), "PATH": str(program.parent)}, uid=501, platform="darwin")
    assert paths.agent_file == short_path / "Library/LaunchAgents/dev.innkeep.innkeepd.plist"
    assert paths.socket == short_path / ".innkeep/innkeepd.sock"
    assert paths.daemon_log == short_path / "Library/Logs/innkeep/innkeepd.log"
    assert paths.agent().program == str(program)
    assert paths.environment == {}


def test_a_house_of_its_own_is_carried_into_the_service(short_path: Path, program: Path):
    environ = {
        "HOME": str(short_path),
        "PATH": str(program.parent),
        "INNKEEP_HOME": str(short_path / "h"),
        "OLLAMA_HOST": "x",
    }
    paths = locate(environ, uid=501, platform="linux")
    assert paths.socket == short_path / "h/innkeepd.sock"
    assert paths.logs == short_path / "h/logs"
    assert paths.environment == {"INNKEEP_HOME": str(short_path / "h")}
    assert paths.units == short_path / ".config/systemd/user"


def test_a_path_that_no_socket_can_have_is_told_before_anything_is_written(short_path: Path, program: Path):
    environ = {"HOME": str(short_path), "PATH": str(program.parent), "INNKEEP_SOCKET": "/" + "é" * 52}
    with pytest.raises(ServiceFault, match=r"has 105 bytes, the most is 103: .*; set INNKEEP_SOCKET"):
        locate(environ, uid=501, platform="darwin")


def test_the_program_is_the_link_that_an_upgrade_keeps(short_path: Path, program: Path):
    link = short_path / "opt" / "innkeepd"
    link.parent.mkdir()
    link.symlink_to(program)
    assert stable_program({"PATH": str(link.parent)}, "x") == link


def test_a_versioned_program_is_known_by_its_link_on_the_path(short_path: Path, program: Path):
    link = short_path / "opt" / "innkeepd"
    link.parent.mkdir()
    link.symlink_to(program)
    assert stable_program({"PATH": str(link.parent)}, str(program)) == link


def test_the_program_that_runs_is_taken_before_another_one_on_the_path(short_path: Path, program: Path):
    other = short_path / "other" / "innkeepd"
    other.parent.mkdir()
    other.write_bytes(program.read_bytes())
    other.chmod(0o755)
    assert stable_program({"PATH": str(other.parent)}, str(program)) == program


def test_without_a_path_the_program_beside_this_one_is_taken(program: Path):
    assert stable_program({"PATH": "/nowhere"}, str(program.with_name("innkeep"))) == program


def test_no_program_anywhere_is_told(short_path: Path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(short_path / "python"))
    with pytest.raises(ServiceFault, match="pipx install"):
        stable_program({"PATH": os.devnull}, str(short_path / "x"))
