"""The service of a Mac that nobody logs in to: who may install it, what is written, and its life under launchd."""

import os
import plistlib
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from innkeep import Client
from innkeepd.service import paths
from innkeepd.service.cli import World, main
from innkeepd.service.errors import ServiceFault
from innkeepd.service.plist import LABEL
from innkeepd.service.probe import Answer
from innkeepd.service.system import Person, _as_user, person
from support.launchd import FakeLaunchd

CONFIG = '[http]\nenabled = false\n\n[ollama]\nurl = "http://127.0.0.1:9"\n'
SYSTEM = f"system/{LABEL}"


class Mac:
    """A Mac without a desktop; ``run`` is ``sudo innkeep service ...`` by its owner, who is us."""

    def __init__(self, root: Path) -> None:
        self.home = root
        self.launchd = FakeLaunchd(root, sessions=("system", "user/501", "gui/501"))
        self.said: list[str] = []
        self.given: list[tuple[str, int, int]] = []
        self.plist = root / "LaunchDaemons" / f"{LABEL}.plist"
        (root / ".innkeep").mkdir(mode=0o700)
        (root / ".innkeep" / "config.toml").write_text(CONFIG)
        (root / "bin").mkdir()
        program = root / "bin" / "innkeepd"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m innkeepd.main "$@"\n')
        program.chmod(0o755)

    def run(self, *words: str, uid: int = 0, sudo_user: str | None = "you") -> int:
        environ = {"HOME": "/var/root" if sudo_user else str(self.home), "PATH": f"{self.home / 'bin'}:/usr/bin:/bin"}
        environ |= {"SUDO_USER": sudo_user} if sudo_user else {}
        self.said.clear()
        return main(list(words), World(environ, uid, "darwin", self.launchd.run, say=self.said.append))

    def pid(self) -> int:
        with Client(self.home / ".innkeep" / "innkeepd.sock", greet_within=20) as client:
            return client.ping().pid


@pytest.fixture
def mac(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mac]:
    monkeypatch.setattr("sys.argv", ["innkeep"])
    monkeypatch.setattr(paths, "SYSTEM_FOLDER", short_path / "LaunchDaemons")
    you = SimpleNamespace(pw_uid=501, pw_gid=20, pw_dir=str(short_path))

    def known(environ: dict[str, str], uid: int) -> Person:
        return person(environ, uid, {"you": you}.__getitem__)

    monkeypatch.setattr("innkeepd.service.cli.person", known)
    given: list[tuple[str, int, int]] = []
    ours = SimpleNamespace(chown=lambda path, uid, gid: given.append((path.name, uid, gid)), geteuid=lambda: 501)
    monkeypatch.setattr("innkeepd.service.system.os", ours)
    mac = Mac(short_path)
    mac.given = given
    yield mac
    mac.launchd.close()


def test_the_life_of_a_systems_service(mac: Mac):
    assert mac.run("install", "--system") == 0
    assert list(mac.launchd.jobs) == [SYSTEM]
    first = mac.pid()
    assert mac.run("install", "--system") == 0
    assert mac.run("restart", "--system") == 0
    assert mac.pid() != first
    assert mac.run("status", "--system") == 0
    assert mac.run("stop", "--system") == 0
    assert mac.run("start", "--system") == 0
    assert mac.pid()
    assert mac.run("uninstall", "--system") == 0
    assert (mac.launchd.jobs, mac.plist.exists()) == ({}, False)
    assert mac.run("uninstall", "--system") == 0


def test_the_plist_runs_as_the_owner_and_lets_only_the_owner_in(mac: Mac):
    mac.run("install", "--system")
    told = plistlib.loads(mac.plist.read_bytes())
    assert told["UserName"] == "you"
    assert told["Sockets"]["Listeners"]["SockPathOwner"] == 501
    assert {(".innkeep", 501, 20), ("innkeep", 501, 20), ("crash.log", 501, 20)} <= set(mac.given)
    assert told["Sockets"]["Listeners"]["SockPathName"] == str(mac.home / ".innkeep" / "innkeepd.sock")
    assert (told["EnvironmentVariables"]["HOME"], told["EnvironmentVariables"]["USER"]) == (str(mac.home), "you")
    assert "LimitLoadToSessionType" not in told
    assert mac.plist.stat().st_mode & 0o777 == 0o644, "launchd loads no plist that others may write"


def test_the_agent_of_a_login_makes_room_for_it_and_is_refused_beside_it(mac: Mac):
    assert mac.run("install", uid=501, sudo_user=None) == 0
    agent = mac.home / "Library/LaunchAgents" / f"{LABEL}.plist"
    assert agent.exists()
    assert mac.run("install", "--system") == 0
    assert (list(mac.launchd.jobs), agent.exists()) == ([SYSTEM], False)
    for verb in ("install", "restart", "stop", "start", "uninstall"):
        assert mac.run(verb, uid=501, sudo_user=None) == 1
    assert mac.run("status", uid=501, sudo_user=None) == 0, "to look is free"
    assert mac.pid()


@pytest.mark.parametrize(("uid", "user"), [(501, "you"), (0, None), (0, "root")])
def test_only_its_owner_installs_it_by_sudo(uid: int, user: str | None):
    with pytest.raises(ServiceFault, match="sudo innkeep service install --system"):
        person({} if user is None else {"SUDO_USER": user}, uid)


def test_a_user_whom_nobody_knows_is_refused():
    with pytest.raises(ServiceFault, match="no such user"):
        person({"SUDO_USER": "nobody-at-all-here"}, 0)
    name = pwd.getpwuid(os.getuid()).pw_name
    if name != "root":
        assert person({"SUDO_USER": name}, 0) == Person(name, os.getuid(), os.getgid(), Path.home())


def test_linux_has_another_way(mac: Mac, capsys: pytest.CaptureFixture[str]):
    assert main(["install", "--system"], World({"SUDO_USER": "you", "HOME": "/"}, 0, "linux", mac.launchd.run)) == 1
    assert "loginctl enable-linger" in capsys.readouterr().err


def test_the_socket_is_asked_as_its_owner(monkeypatch: pytest.MonkeyPatch):
    """The daemon lets nobody else in, root neither; afterwards we are root again, whatever happened."""
    became: list[int] = []
    monkeypatch.setattr("innkeepd.service.system.os", SimpleNamespace(geteuid=lambda: 0, seteuid=became.append))
    assert _as_user(501, lambda: Answer("welcome"))().how == "welcome"
    with pytest.raises(ZeroDivisionError):
        _as_user(501, lambda: 1 / 0)()  # type: ignore[arg-type, return-value]
    assert became == [501, 0, 501, 0]
