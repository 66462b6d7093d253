"""The service from end to end on Linux: the real commands, the real daemon, and a launchd that holds its socket."""

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from innkeep import Client
from innkeep.errors import ConnectionFailed
from innkeepd.service.cli import World, main
from innkeepd.service.plist import LABEL
from support.launchd import FakeLaunchd

CONFIG = '[http]\nenabled = false\n\n[ollama]\nurl = "http://127.0.0.1:9"\n'
GUI, USER = f"gui/501/{LABEL}", f"user/501/{LABEL}"


class Mac:
    """A home, its launchd, and the commands of ``innkeep service`` in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.socket = home / ".innkeep" / "innkeepd.sock"
        self.launchd = FakeLaunchd(home)
        self.said: list[str] = []
        (home / ".innkeep").mkdir(mode=0o700)
        (home / ".innkeep" / "config.toml").write_text(CONFIG)
        self.program(f'exec {sys.executable} -m innkeepd.main "$@"')

    def program(self, script: str) -> None:
        """What stands on PATH as ``innkeepd``."""
        (self.home / "bin").mkdir(exist_ok=True)
        (self.home / "bin" / "innkeepd").write_text(f"#!/bin/sh\n{script}\n")
        (self.home / "bin" / "innkeepd").chmod(0o755)

    def service(self, *words: str) -> int:
        environ = {"HOME": str(self.home), "PATH": f"{self.home / 'bin'}:/usr/bin:/bin"}
        self.said.clear()
        return main(list(words), World(environ, 501, "darwin", self.launchd.run, say=self.said.append))

    def pid(self, within: float = 20.0) -> int:
        """The pid of the daemon that answers."""
        with Client(self.socket, greet_within=within) as client:
            return client.ping().pid


@pytest.fixture
def mac(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mac]:
    monkeypatch.setattr("sys.argv", ["innkeep"])
    mac = Mac(short_path)
    yield mac
    mac.launchd.close()


def eventually(what: object, within: float = 20.0) -> None:
    end = time.monotonic() + within
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_life_of_a_service(mac: Mac):
    """Install twice, killed, restarted, stopped, started, uninstalled twice: a daemon answers after each."""
    assert mac.service("install") == 0
    first = mac.pid()
    assert mac.service("install") == 0
    second = mac.pid()
    assert second != first
    os.kill(second, signal.SIGKILL)
    third = mac.pid()
    assert third != second, "who connected meanwhile waited for the new one"
    assert mac.service("restart") == 0
    assert mac.pid() != third
    assert mac.service("status") == 0
    mac.service("stop")
    assert mac.service("status") == 3
    assert mac.service("start") == 0
    mac.service("uninstall")
    mac.service("uninstall")
    assert mac.launchd.jobs == {}
    left = sorted(path.name for path in mac.home.rglob("*") if path.is_file() or path.is_socket())
    assert left == ["config.toml", "innkeepd", "innkeepd.log"], "the log is where Linux has it, and not a Mac's"


def test_a_session_that_refuses_with_5_is_left_for_the_other(mac: Mac):
    mac.launchd.sessions = ["user/501"]
    assert mac.service("install") == 0
    assert list(mac.launchd.jobs) == [USER]
    assert mac.pid()


@pytest.mark.parametrize("verb", ["restart", "install"])
def test_a_deleted_socket_comes_back_by_what_we_advise(mac: Mac, verb: str):
    mac.service("install")
    mac.pid()
    mac.socket.unlink()
    with pytest.raises(ConnectionFailed, match="innkeep service start"):
        mac.pid()
    assert mac.service(verb) == 0
    assert mac.pid()


def test_a_daemon_that_inherits_a_nameless_socket_makes_its_own(mac: Mac):
    """The file is deleted and the daemon dies: launchd hands the dead rest to the next one."""
    mac.service("install")
    pid = mac.pid()
    mac.socket.unlink()
    os.kill(pid, signal.SIGKILL)
    eventually(mac.socket.exists)
    assert mac.pid() != pid
    assert "cannot be reached" in (mac.home / "Library/Logs/innkeep/crash.log").read_text()


def test_nothing_hangs_where_launchd_listens_and_the_daemon_cannot_start(mac: Mac, capsys: pytest.CaptureFixture[str]):
    mac.program("echo 'no module named psutil' >&2; exit 1")
    assert mac.service("install") == 1
    told = "\n".join([*mac.said, capsys.readouterr().err])
    assert "no module named psutil" in told or "see `innkeep service status`" in told
    with pytest.raises(ConnectionFailed, match=r"no innkeepd answered within 0\.2 s.*innkeep service status"):
        mac.pid(within=0.2)
    eventually(lambda: mac.launchd.jobs[GUI].runs > 1)
    assert mac.service("status") == 1
    assert "no module named psutil" in mac.said[0]


def test_the_sessions_ollama_host_never_reaches_the_daemon(mac: Mac):
    """It points at innkeep itself, as the doctor advises for single tools: a daemon that obeyed would serve nobody."""
    (mac.home / ".innkeep" / "config.toml").write_text("[http]\nport = 18435\n")
    mac.launchd.environ["OLLAMA_HOST"] = "127.0.0.1:18435"
    assert mac.service("install") == 0
    with Client(mac.socket, greet_within=20) as client:
        assert client.status().backend.url == "http://127.0.0.1:11434"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def get(port: int, within: float = 30.0) -> tuple[int, str]:
    """Status and body of a request to the HTTP port."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=within)
    try:
        line.request("GET", "/v1/models")
        answer = line.getresponse()
        return answer.status, answer.read().decode()
    finally:
        line.close()


def test_launchd_holds_the_http_port_so_that_a_restart_refuses_nobody(mac: Mac):
    port = free_port()
    (mac.home / ".innkeep" / "config.toml").write_text(
        f'[http]\nport = {port}\n\n[ollama]\nurl = "http://127.0.0.1:9"\n'
    )
    assert mac.service("install") == 0
    first = mac.pid()
    assert get(port)[0] == 200
    os.kill(first, signal.SIGTERM)  # a clean exit: launchd starts it again at the next connection
    eventually(lambda: mac.launchd.jobs[GUI].pid is None)
    assert get(port)[0] == 200, "who asked meanwhile waited for the new one"
    assert mac.pid() != first
    with pytest.raises(OSError, match="in use"), socket.socket() as other:
        other.bind(("127.0.0.1", port))


def test_a_port_that_the_plist_has_and_the_configuration_no_longer_is_answered_with_the_remedy(mac: Mac):
    port = free_port()
    file = mac.home / ".innkeep" / "config.toml"
    file.write_text(f'[http]\nport = {port}\n\n[ollama]\nurl = "http://127.0.0.1:9"\n')
    assert mac.service("install") == 0
    for text, word in (("enabled = false", "switched off"), (f"port = {free_port()}", "innkeep service install")):
        file.write_text(f'[http]\n{text}\n\n[ollama]\nurl = "http://127.0.0.1:9"\n')
        os.kill(mac.pid(), signal.SIGKILL)
        eventually(lambda before=mac.launchd.jobs[GUI].runs: mac.launchd.jobs[GUI].runs > before)
        status, body = get(port)
        assert (status, word in body) == (503, True)
    file.write_text("[http]\nnonsense = 1\n")
    os.kill(mac.pid(), signal.SIGKILL)
    status, body = get(port)
    assert (status, "innkeep config check" in body) == (503, True)


def test_a_port_that_another_program_has_at_login_is_ours_once_it_is_free(mac: Mac, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (mac.home / ".innkeep" / "config.toml").write_text(
            f'[http]\nport = {port}\n\n[ollama]\nurl = "http://127.0.0.1:9"\n'
        )
        assert mac.service("install") == 0
        with Client(mac.socket, greet_within=20) as client:
            eventually(lambda: any("address already in use" in text for text in client.status().warnings))
