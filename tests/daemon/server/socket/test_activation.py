import ctypes
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from innkeepd.server.socket.activation import (
    ActivationFailed,
    inherited,
    is_reachable,
    is_supervised,
    systemd_descriptors,
)
from innkeepd.service.plist import HTTP_NAME, LABEL, SOCKET_NAME

ACTIVATOR = """
import os, socket, sys
path, held, *command = sys.argv[1:]
held = int(held)
if not held:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    held = listening.fileno()
if held != 3:
    os.dup2(held, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(command[0], command)
"""
"""What systemd does for a unit: bind (or go on holding what is bound), put at descriptor 3, name the process, exec."""

SERVER = """
import json, os, selectors, sys
from innkeepd.server.socket.activation import inherited
found = inherited(platform=sys.platform)
facts = {"count": len(found), "again": len(inherited(platform=sys.platform)), "blocking": found[0].getblocking(),
         "inheritable": found[0].get_inheritable(), "left": [name for name in os.environ if name.startswith("LISTEN_")]}
with selectors.DefaultSelector() as selector:
    selector.register(found[0], selectors.EVENT_READ)
    selector.select(20)
guest, _ = found[0].accept()
guest.sendall(json.dumps(facts).encode())
guest.close()
found[0].close()
"""


class FakeSystem:
    """libSystem as far as we use it, on real C memory."""

    def __init__(self, error: int = 0, descriptors: tuple[int, ...] = (), http: tuple[int, ...] = ()) -> None:
        self.asked: list[bytes] = []
        self.freed: list[int] = []
        self._memory = (ctypes.c_int * max(1, len(descriptors)))(*descriptors)
        self._http = (ctypes.c_int * max(1, len(http)))(*http)

        @ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.POINTER(ctypes.c_int)), ctypes.POINTER(ctypes.c_size_t)
        )
        def activate(name, numbers, count):
            self.asked.append(name)
            if name == b"Http" and not http:
                return error or errno.ENOENT
            if not error:
                held, memory = (http, self._http) if name == b"Http" else (descriptors, self._memory)
                numbers[0] = ctypes.cast(memory, ctypes.POINTER(ctypes.c_int))
                count[0] = len(held)
            return error

        @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        def free(address):
            self.freed.append(address)

        self.launch_activate_socket = activate
        self.free = free

    @property
    def memory(self) -> int:
        return ctypes.addressof(self._memory)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ik"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def listening(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "s"))
        one.listen()
        yield one


def answer_of(path: Path) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        return json.loads(client.makefile("rb").read())


def test_a_client_that_came_before_the_daemon_is_answered_by_it(folder: Path):
    path = folder / "s"
    with subprocess.Popen([sys.executable, "-c", ACTIVATOR, str(path), "0", sys.executable, "-c", SERVER]) as daemon:
        while True:
            try:
                facts = answer_of(path)
                break
            except (ConnectionRefusedError, FileNotFoundError):  # bound, not listening yet
                assert daemon.poll() is None
        assert daemon.wait(20) == 0
    assert facts == {"count": 1, "again": 0, "blocking": False, "inheritable": False, "left": []}
    assert path.is_socket(), "the file belongs to whoever bound it"


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd-socket-activate comes with systemd"
)
def test_systemds_own_activator_starts_the_daemon_at_the_first_connection(folder: Path):
    path = folder / "s"
    command = ["systemd-socket-activate", "-l", str(path), "-E", "PYTHONPATH", sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as daemon:
        while not path.exists():
            assert daemon.poll() is None
            os.sched_yield()
        facts = answer_of(path)
        assert daemon.wait(20) == 0
    assert facts["count"] == 1


def test_a_client_that_connects_between_two_daemons_is_answered_by_the_new_one(listening: socket.socket, folder: Path):
    descriptor = listening.fileno()
    command = [sys.executable, "-c", ACTIVATOR, "", str(descriptor), sys.executable, "-c", SERVER]
    with subprocess.Popen(command, pass_fds=[descriptor]) as old:
        assert answer_of(folder / "s")["count"] == 1
        assert old.wait(20) == 0
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(folder / "s"))
        with subprocess.Popen(command, pass_fds=[descriptor]) as new:
            assert json.loads(client.makefile("rb").read())["count"] == 1
            assert new.wait(20) == 0


def test_without_an_activator_nothing_is_inherited():
    assert inherited({}, platform="linux") == []


@pytest.mark.parametrize("environ", [{"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": "x", "LISTEN_FDS": "1"}])
def test_variables_meant_for_another_process_are_ignored_and_kept(environ: dict[str, str]):
    assert systemd_descriptors(environ) == []
    assert len(environ) == 2


def test_systemds_descriptors_are_counted_from_three_and_its_variables_are_taken_out():
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "HOME": "/"}
    assert systemd_descriptors(environ) == [3, 4]
    assert environ == {"HOME": "/"}


def test_launchds_descriptors_become_ready_sockets_and_its_memory_is_freed(listening: socket.socket, folder: Path):
    system = FakeSystem(descriptors=(os.dup(listening.fileno()),))
    found = inherited({}, platform="darwin", library=lambda: system)
    assert [one.getsockname() for one in found] == [str(folder / "s")]
    assert not found[0].getblocking()
    assert not found[0].get_inheritable()
    assert system.asked == [b"Listeners", b"Http"]
    assert system.freed == [system.memory]
    found[0].close()
    assert (folder / "s").is_socket()


def test_the_http_port_of_launchd_is_a_tcp_socket_whose_connections_do_not_delay():
    """``SO_PROTOCOL``, by which Python knows TCP, is Linux's: on macOS the number would be 0."""
    with socket.socket() as port, socket.socket() as client:
        port.bind(("127.0.0.1", 0))
        port.listen()
        system = FakeSystem(http=(os.dup(port.fileno()),))
        (found,) = inherited({}, platform="darwin", library=lambda: system)
        assert (found.family, found.proto) == (socket.AF_INET, socket.IPPROTO_TCP)
        client.connect(port.getsockname())
        found.setblocking(True)
        accepted, _ = found.accept()
        assert accepted.proto == socket.IPPROTO_TCP, "what asyncio looks at before it sets TCP_NODELAY"
        accepted.close()
        found.close()


@pytest.mark.parametrize("error", [errno.ENOENT, errno.ESRCH, errno.EALREADY])
def test_what_launchd_says_when_it_has_nothing_for_us_is_nothing(error: int):
    system = FakeSystem(error=error)
    assert inherited({}, platform="darwin", library=lambda: system) == []
    assert system.freed == []


def test_any_other_error_of_launchds_is_told():
    with pytest.raises(ActivationFailed, match="launch_activate_socket"):
        inherited({}, platform="darwin", library=lambda: FakeSystem(error=errno.EINVAL))


def test_a_system_without_the_function_has_no_sockets_for_us():
    def missing():
        raise OSError("no such library")

    assert inherited({}, platform="darwin", library=missing) == []
    assert inherited({}, platform="darwin", library=object) == []


def test_what_is_no_listening_socket_is_left_alone(listening: socket.socket):
    reading, writing = os.pipe()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as idle:
        system = FakeSystem(descriptors=(reading, idle.fileno(), 987_654))
        assert inherited({}, platform="darwin", library=lambda: system) == []
    os.close(reading)
    os.close(writing)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is known to tell")
def test_a_stream_socket_that_does_not_listen_is_left_alone():
    with socket.socket(socket.AF_UNIX) as idle:
        system = FakeSystem(descriptors=(idle.fileno(),))
        assert inherited({}, platform="darwin", library=lambda: system) == []


def test_a_kernel_that_does_not_tell_whether_a_socket_listens_is_believed(monkeypatch):
    monkeypatch.delattr(socket, "SO_ACCEPTCONN")
    with socket.socket(socket.AF_UNIX) as one:
        system = FakeSystem(descriptors=(os.dup(one.fileno()),))
        (found,) = inherited({}, platform="darwin", library=lambda: system)
        found.close()


def test_the_key_asked_for_is_the_key_in_the_plist():
    system = FakeSystem(error=errno.ESRCH)
    inherited({}, platform="darwin", library=lambda: system)
    assert system.asked == [SOCKET_NAME.encode(), HTTP_NAME.encode()]


@pytest.mark.parametrize(("name", "expected"), [(LABEL, True), ("0", False), ("com.apple.Terminal", False)])
def test_launchd_names_its_job_in_the_environment(name: str, expected: bool):
    assert is_supervised({"XPC_SERVICE_NAME": name}) is expected
    assert not is_supervised({})


def test_systemd_names_the_process_that_it_started():
    assert is_supervised({"LISTEN_PID": str(os.getpid())})
    assert not is_supervised({"LISTEN_PID": "1"})


@pytest.fixture
def held() -> Iterator[tuple[socket.socket, Path]]:
    """A listening socket as launchd holds it, and its file."""
    folder = Path(tempfile.mkdtemp(prefix="ik"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "d.sock"))
        yield listener, folder / "d.sock"
    shutil.rmtree(folder)


def test_a_socket_whose_file_is_there_is_reachable(held: tuple[socket.socket, Path]):
    listener, _ = held
    assert is_reachable(listener), "one that is bound and does not listen yet begins to"


def test_a_socket_whose_file_was_deleted_is_not_reachable(held: tuple[socket.socket, Path]):
    listener, path = held
    listener.listen()
    path.unlink()
    assert not is_reachable(listener)


def test_a_socket_that_was_never_bound_is_not_reachable():
    with socket.socket(socket.AF_UNIX) as one:
        assert not is_reachable(one)


def test_a_socket_whose_place_a_dead_one_took_is_not_reachable(held: tuple[socket.socket, Path]):
    listener, path = held
    listener.listen()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert not is_reachable(listener)


def test_a_full_queue_is_reachable(held: tuple[socket.socket, Path], monkeypatch: pytest.MonkeyPatch):
    listener, path = held
    monkeypatch.setattr("innkeepd.server.socket.activation.BACKLOG", 0)
    listener.listen(0)
    clients = []
    for _ in range(3):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        clients.append(client)
        try:
            client.connect(str(path))
        except BlockingIOError:
            break
    assert is_reachable(listener)
    for client in clients:
        client.close()


def test_a_tcp_socket_is_reachable_by_its_port():
    with socket.socket() as one:
        assert is_reachable(one)
