"""Where things are kept."""

import sys
from pathlib import Path

import pytest

from innkeep import errors, paths


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No variable of ours, and a home folder of the test's own."""
    for name in ("INNKEEP_HOME", "INNKEEP_SOCKET", "INNKEEP_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/kim")


def test_everything_is_below_the_home_folder():
    home = Path("/home/kim/.innkeep")
    assert [
        home,
        home / "innkeepd.sock",
        home / "config.toml",
        home / "state.sqlite3",
        home / "innkeepd.lock",
    ] == [
        paths.home(),
        paths.socket_path(),
        paths.config_path(),
        paths.state_path(),
        paths.lock_path(),
    ]


def test_variables_come_first_and_an_empty_one_is_none(monkeypatch):
    monkeypatch.setenv("INNKEEP_HOME", "~/inn")
    monkeypatch.setenv("INNKEEP_SOCKET", "")
    assert Path("/home/kim/inn/innkeepd.sock") == paths.socket_path()
    monkeypatch.setenv("INNKEEP_SOCKET", "~/x.sock")
    monkeypatch.setenv("INNKEEP_CONFIG", "/etc/inn.toml")
    assert (Path("/home/kim/x.sock"), Path("/etc/inn.toml")) == (paths.socket_path(), paths.config_path())


@pytest.mark.parametrize(("platform", "folder"), [("darwin", "Library/Logs/innkeep"), ("linux", ".innkeep/logs")])
def test_logs_are_where_the_system_keeps_them(monkeypatch, platform, folder):
    monkeypatch.setattr(sys, "platform", platform)
    assert Path("/home/kim") / folder == paths.log_folder()


def test_a_path_of_104_bytes_is_refused_with_the_way_out(monkeypatch):
    assert paths.socket_name("/" + "한" * 34) == "/" + "한" * 34
    monkeypatch.setenv("INNKEEP_SOCKET", "/" + "한" * 34 + "x")
    with pytest.raises(errors.BadConfig, match=r"has 104 bytes, the most is 103: .*; set INNKEEP_SOCKET"):
        paths.socket_path()
