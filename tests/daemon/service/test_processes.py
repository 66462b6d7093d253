import os
import plistlib
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from innkeepd.service.facts import Program
from innkeepd.service.processes import HOMEBREW, Sightings, app_settings, beside, settings, strangers, walk

NAMES = ("OLLAMA_KEEP_ALIVE", "OLLAMA_NUM_PARALLEL")
CONNECTED = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as line:
    print("connected", flush=True)
    line.recv(1)
"""


def connection(status: str, local: int = 0, remote: int = 0) -> SimpleNamespace:
    raddr = SimpleNamespace(port=remote) if remote else ()
    return SimpleNamespace(status=status, laddr=SimpleNamespace(ip="127.0.0.1", port=local), raddr=raddr)


class FakeProcess:
    def __init__(self, pid: int, name: str, *connections, cmdline=(), closed: bool = False) -> None:
        self.pid = pid
        self._name, self._connections, self._cmdline, self._closed = name, connections, list(cmdline), closed

    def name(self) -> str:
        return self._name

    def cmdline(self) -> list[str]:
        return self._cmdline

    def net_connections(self, kind: str):
        assert kind == "tcp"
        if self._closed:
            raise psutil.AccessDenied(self.pid)
        return self._connections


HOUSE = [
    FakeProcess(1, "launchd", closed=True),
    FakeProcess(20, "Ollama"),
    FakeProcess(21, "ollama", connection("LISTEN", local=11434), cmdline=["ollama", "serve"]),
    FakeProcess(22, "ollama", connection("ESTABLISHED", local=5, remote=11434), cmdline=["ollama", "run", "x"]),
    FakeProcess(30, "innkeepd", connection("LISTEN", local=11435), connection("ESTABLISHED", local=6, remote=11434)),
    FakeProcess(44, "node", *[connection("ESTABLISHED", local=port, remote=11434) for port in (7, 8)]),
    FakeProcess(45, "curl", connection("ESTABLISHED", local=9, remote=11435)),
]
URL = "http://127.0.0.1:11434"


def test_one_walk_sees_listeners_the_server_and_who_is_connected():
    seen = walk(URL, lambda: HOUSE)
    assert seen.server == 21
    assert seen.listeners == {11434: Program(21, "ollama"), 11435: Program(30, "innkeepd")}
    assert strangers(seen, URL, daemon=30) == [Program(44, "node")]


def test_of_several_servers_the_one_at_the_address_is_ours():
    other = FakeProcess(19, "ollama", connection("LISTEN", local=40000), cmdline=["ollama", "serve"])
    hidden = FakeProcess(23, "ollama", closed=True, cmdline=["ollama", "serve"])
    proxy = FakeProcess(24, "litellm", connection("LISTEN", local=11434))
    assert walk(URL, lambda: [other, hidden, *HOUSE]).server == 21
    assert walk(URL, lambda: [other]).server is None
    assert walk(URL, lambda: [other, hidden]).server == 23
    assert walk(URL, lambda: [other, hidden, proxy]).server is None


def test_without_a_daemon_its_old_connections_are_strangers_too():
    assert Program(30, "innkeepd") in strangers(walk(URL, lambda: HOUSE), URL, daemon=None)


def test_a_real_process_that_is_connected_is_seen():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = [sys.executable, "-c", CONNECTED, str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout.readline() == "connected\n"
            line, _ = server.accept()
            seen = walk(f"http://127.0.0.1:{port}", lambda: [psutil.Process(client.pid), psutil.Process()])
            found = strangers(seen, f"http://127.0.0.1:{port}", daemon=None)
            line.close()
    assert [one.pid for one in found] == [client.pid]
    assert seen.listeners[port].pid == os.getpid()


def homebrew(home: Path, **environment: str) -> None:
    (home / HOMEBREW).parent.mkdir(parents=True)
    (home / HOMEBREW).write_bytes(plistlib.dumps({"EnvironmentVariables": environment}))


def test_the_settings_of_the_running_server_are_the_ones_that_hold(short_path: Path):
    told = {"OLLAMA_KEEP_ALIVE": "-1", "SECRET": "x", "XPC_SERVICE_NAME": "com.ollama.ollama"}
    launcher, found = settings(
        Sightings(server=os.getpid()), short_path, getenv=lambda _: "24h", names=NAMES, environ_of=lambda _: told
    )
    assert (launcher, found) == ("app", {"OLLAMA_KEEP_ALIVE": "-1"})


@pytest.mark.parametrize(
    ("told", "launcher"),
    [
        ({"XPC_SERVICE_NAME": "homebrew.mxcl.ollama"}, "homebrew"),
        ({"INVOCATION_ID": "1"}, "service"),
        ({"TERM": "xterm"}, "shell"),
    ],
)
def test_who_started_the_server_shows_in_its_environment(short_path: Path, told: dict[str, str], launcher: str):
    seen = Sightings(server=os.getpid())
    assert settings(seen, short_path, getenv=lambda _: None, names=NAMES, environ_of=lambda _: told) == (launcher, {})


def test_a_server_that_may_not_be_looked_at_is_known_by_homebrews_plist(short_path: Path):
    homebrew(short_path, OLLAMA_NUM_PARALLEL="4", OTHER="x")

    def denied(pid: int):
        raise psutil.AccessDenied(pid)

    found = settings(Sightings(server=21), short_path, getenv=lambda _: None, names=NAMES, environ_of=denied)
    assert found == ("homebrew", {"OLLAMA_NUM_PARALLEL": "4"})


def test_without_a_server_the_login_session_tells_what_the_app_will_have(short_path: Path):
    session = {"OLLAMA_KEEP_ALIVE": "24h"}
    assert settings(Sightings(), short_path, getenv=session.get, names=NAMES) == ("app", session)
    assert settings(Sightings(), short_path, getenv=lambda _: None, names=NAMES) == ("unknown", None)


def test_the_environment_of_a_real_process_is_read(short_path: Path):
    environ = os.environ | {"OLLAMA_KEEP_ALIVE": "7m"}
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        server.stdout.readline()
        _, found = settings(Sightings(server=server.pid), short_path, getenv=lambda _: None, names=NAMES)
        server.communicate("\n")
    assert found == {"OLLAMA_KEEP_ALIVE": "7m"}
    gone = settings(Sightings(server=server.pid), short_path, getenv=lambda _: None, names=NAMES)
    assert gone == ("unknown", None)


def test_an_exact_address_is_who_answers_and_the_wildcard_beside_it_is_told():
    """On macOS both may listen; whichever process is looked at first, the verdict is the same."""
    app, us = Program(5, "ollama"), Program(7, "innkeepd")
    processes = [listening(app, "::", 11434), listening(us, "127.0.0.1", 11434)]
    for order in (processes, processes[::-1]):
        seen = walk("http://127.0.0.1:11433", lambda order=order: order)
        assert seen.listeners[11434] == us
        assert beside(seen, 11434, 7) == [("::", app)]
    assert beside(seen, 11434, None) == []
    assert beside(seen, 11434, 99) == [], "where we hold nothing, the holder is the finding"


def listening(program: Program, address: str, port: int) -> Any:
    connection = SimpleNamespace(status="LISTEN", laddr=SimpleNamespace(ip=address, port=port), raddr=None)
    return SimpleNamespace(
        pid=program.pid, name=lambda: program.name, cmdline=list, net_connections=lambda _kind: [connection]
    )


def test_the_ollama_apps_own_settings_are_read_without_touching_them(short_path: Path):
    file = short_path / "Library" / "Application Support" / "Ollama" / "db.sqlite"
    file.parent.mkdir(parents=True)
    assert app_settings(short_path) == {}
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE settings (id INTEGER, expose BOOLEAN, models TEXT, context_length INTEGER)")
        database.commit()
        assert app_settings(short_path) == {}
        database.execute("INSERT INTO settings VALUES (1, 1, '/Volumes/m', 65536)")
        database.commit()
    before = file.read_bytes()
    assert app_settings(short_path) == {
        "OLLAMA_HOST": "0.0.0.0",
        "OLLAMA_MODELS": "/Volumes/m",
        "OLLAMA_CONTEXT_LENGTH": "65536",
    }
    assert file.read_bytes() == before
    file.write_bytes(b"no database")
    assert app_settings(short_path) == {}
