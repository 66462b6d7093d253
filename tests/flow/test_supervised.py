"""The whole daemon as launchd and systemd run it: on a socket that somebody else holds."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from innkeepd.service.probe import Answer, probe

ROOT = Path(__file__).parents[2]
LIMIT = 30.0
HOLD = """
import os, sys
held = int(sys.argv[1])
if held != 3:
    os.dup2(held, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "innkeepd.main", "run", "--simulate"])
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ik"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def held(home: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(home / "innkeepd.sock"))
        one.listen()
        yield one


@contextmanager
def daemon(home: Path, held: socket.socket) -> Iterator["subprocess.Popen[bytes]"]:
    """A daemon on the held socket; killed if the test leaves it running."""
    paths = os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")])
    environ = os.environ | {"INNKEEP_HOME": str(home), "HOME": str(home), "PYTHONPATH": paths}
    for name in ("INNKEEP_SOCKET", "INNKEEP_CONFIG", "OLLAMA_HOST"):
        environ.pop(name, None)
    command = [sys.executable, "-c", HOLD, str(held.fileno())]
    with subprocess.Popen(command, env=environ, pass_fds=[held.fileno()], stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def answer_like(home: Path, how: str) -> Answer:
    """Ask until the answer is of that kind; the kernel keeps us waiting in between."""
    deadline = time.monotonic() + LIMIT
    while (answer := probe(home / "innkeepd.sock", LIMIT)).how != how:
        assert time.monotonic() < deadline, answer
    return answer


def test_a_broken_configuration_is_answered_until_it_is_mended_and_the_daemon_never_exits(
    home: Path, held: socket.socket
):
    config = home / "config.toml"
    config.write_text("[roles\n")
    with daemon(home, held) as process:
        reported = answer_like(home, "error")
        assert reported.code == "bad_config"
        assert str(config) in reported.message
        config.write_text("[http]\nenabled = false\n")
        process.send_signal(signal.SIGHUP)
        assert answer_like(home, "welcome").pid == process.pid
        process.terminate()
        assert process.wait(LIMIT) == 0
    assert (home / "innkeepd.sock").is_socket(), "the file belongs to whoever holds the socket"


def test_who_connects_while_the_daemon_is_exchanged_is_answered_by_the_new_one(home: Path, held: socket.socket):
    (home / "config.toml").write_text("[http]\nenabled = false\n")
    with daemon(home, held) as old:
        assert answer_like(home, "welcome").pid == old.pid
        old.terminate()
        assert old.wait(LIMIT) == 0
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(LIMIT)
        client.connect(str(home / "innkeepd.sock"))
        client.sendall(b'{"type":"hello","id":1,"protocol":1}\n')
        with daemon(home, held) as new:
            assert f'"pid":{new.pid}'.encode() in client.recv(4096)
            new.terminate()
            assert new.wait(LIMIT) == 0
