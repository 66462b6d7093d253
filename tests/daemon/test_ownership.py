import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio
import pytest

from innkeepd import ownership
from innkeepd.errors import DaemonError
from innkeepd.lock import AlreadyRunning
from innkeepd.ownership import PREFIX, Ownership, key_of, lock_ollama, take_ownership
from support.process import ROOT
from support.second_user import WHY_NOT, as_nobody, can_be_another_user

URL = "http://localhost:11434"
HERE = ("http://127.0.0.1:11434/", "http://[::1]:11434", "http://127.0.0.1:11434", "http://0.0.0.0:11434")


@pytest.fixture
def shared():
    """A folder as ``/tmp`` is: every user may write to it, and remove only what is theirs."""
    with tempfile.TemporaryDirectory(prefix="ik") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        yield folder


def test_two_homes_share_no_ollama_however_its_address_is_spelled(tmp_path):
    lock = lock_ollama(URL, tmp_path)
    for same in HERE:
        with pytest.raises(AlreadyRunning, match=rf"owns the Ollama at .*pid {os.getpid()}.*url"):
            lock_ollama(same, tmp_path)
    lock_ollama("http://127.0.0.1:11500", tmp_path).release()
    lock.release()
    lock_ollama("http://127.0.0.1:11434", tmp_path).release()


def test_only_names_of_this_machine_are_this_machine():
    assert {key_of(url) for url in (URL, *HERE, f"http://{socket.gethostname()}:11434")} == {"loopback-11434"}
    for other in ("http://192.0.2.7:11434", "http://127.evil.test:11434", "http://[2001:db8::1]:11434"):
        assert not key_of(other).startswith("loopback")
    assert key_of("http://192.0.2.7/a/") == "192.0.2.7-80-a"


def test_an_ollama_has_one_owner_until_it_is_released(shared):
    first = Ownership(URL, shared)
    for same in HERE:
        with pytest.raises(AlreadyRunning, match=r"run by the user \S+, owns the Ollama at .*; stop it, or give"):
            Ownership(same, shared)
    Ownership("http://localhost:11500", shared).release()
    assert [path.name for path in shared.iterdir()] == [first._path.name]
    first.release()
    assert list(shared.iterdir()) == []
    Ownership(URL, shared).release()


def test_of_two_that_start_together_at_least_one_sees_the_other(shared, monkeypatch):
    monkeypatch.setattr(Ownership, "_others", lambda _self: iter(()))
    first = Ownership(URL, shared)  # has not looked yet
    monkeypatch.undo()
    with pytest.raises(AlreadyRunning):
        Ownership(URL, shared)
    assert list(first._others()) == []
    first.release()


def dead(shared: Path, name: str) -> Path:
    path = shared / name
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    return path


def test_what_killed_daemons_left_is_removed_and_all_else_is_left_alone(shared):
    killed = [dead(shared, f"{PREFIX}loopback-11434-aa"), dead(shared, f"{PREFIX}loopback-11500-bb")]
    others = [dead(shared, "other"), shared / f"{PREFIX}loopback-11434-cc", shared / f"{PREFIX}loopback-11434-dd"]
    others[1].write_text("a file")
    others[2].symlink_to(shared / "victim")
    Ownership(URL, shared).release()
    assert not any(os.path.lexists(path) for path in killed)
    assert all(os.path.lexists(path) for path in others)
    assert not (shared / "victim").exists()


def test_an_owner_whose_queue_of_connections_is_full_is_alive(shared):
    first = Ownership(URL, shared)
    full = []
    for _ in range(1000):
        full.append(socket.socket(socket.AF_UNIX))
        full[-1].setblocking(False)
        try:
            full[-1].connect(str(first._path))
        except BlockingIOError:
            break
    with pytest.raises(AlreadyRunning):
        Ownership(URL, shared)
    for one in full:
        one.close()
    first.release()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_owner_takes_connections_off_its_queue_and_comes_back_where_its_file_was_removed(shared, monkeypatch):
    monkeypatch.setattr(ownership, "RENEW_EVERY", 0.02)
    first = Ownership(URL, shared)
    listens, done = first._listen, anyio.Event()

    def listen():
        found = listens()
        done.set()
        return found

    monkeypatch.setattr(first, "_listen", listen)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first.keep)
        for _ in range(300):  # more than its queue holds
            with socket.socket(socket.AF_UNIX) as one:
                await anyio.to_thread.run_sync(one.connect, str(first._path))
        first._path.unlink()
        with anyio.fail_after(30):
            await done.wait()
        with pytest.raises(AlreadyRunning):
            Ownership(URL, shared)
        tasks.cancel_scope.cancel()
    first.release()
    assert list(shared.iterdir()) == []


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_who_meets_another_gives_way_and_tries_again_before_it_refuses(shared, monkeypatch):
    monkeypatch.setattr(ownership, "GIVE_WAY", (0.0, 0.0))
    first = Ownership(URL, shared)
    with pytest.raises(AlreadyRunning):
        await take_ownership(URL, shared)
    tries = []

    def once(self):
        tries.append(self)
        return iter((0,) if len(tries) == 1 else ())

    monkeypatch.setattr(Ownership, "_others", once)
    (await take_ownership(URL, shared)).release()
    assert len(tries) == 2
    first.release()


def test_a_folder_in_which_others_may_remove_files_is_of_no_use(shared):
    shared.chmod(0o777)
    with pytest.raises(DaemonError, match=f"others may remove files from {shared}"):
        Ownership(URL, shared)
    with pytest.raises(DaemonError, match="cannot use"):
        Ownership(URL, shared / "nowhere")


TAMPER = """
import os, sys
from pathlib import Path
from innkeepd.ownership import Ownership
folder, url = Path(sys.argv[1]), sys.argv[2]
(theirs,) = folder.iterdir()
failed = 0
for act in (theirs.unlink, lambda: theirs.rename(folder / "x"), lambda: theirs.chmod(0o600),
            lambda: (folder / "y").symlink_to(theirs) or (folder / "y").rename(theirs)):
    try:
        act()
    except PermissionError:
        failed += 1
print(os.getuid(), failed)
try:
    Ownership(url, folder)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(not can_be_another_user(), reason=WHY_NOT)
def test_another_user_sees_the_owner_and_cannot_remove_replace_or_hide_its_socket(shared):
    first = Ownership(URL, shared)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")])}
    command = as_nobody(sys.executable, "-c", TAMPER, str(shared), URL)
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0] == "65534 4"
    assert said[1].startswith("AlreadyRunning another innkeepd, run by the user root, owns the Ollama at")
    assert stat.S_ISSOCK(first._path.lstat().st_mode)
    first.release()


@pytest.mark.skipif(not can_be_another_user(), reason=WHY_NOT)
def test_another_users_daemon_is_named_and_what_it_left_is_not_in_the_way(shared):
    code = (
        "import sys, os; from pathlib import Path; from innkeepd.ownership import Ownership\n"
        "kept = Ownership(sys.argv[2], Path(sys.argv[1])); print('up', flush=True); sys.stdin.read(); os._exit(9)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")])}
    command = as_nobody(sys.executable, "-c", code, str(shared), URL)
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "up\n"
        with pytest.raises(AlreadyRunning, match="run by the user nobody"):
            Ownership(URL, shared)
    Ownership(URL, shared).release()
    assert len(list(shared.iterdir())) == 1  # a dead socket of another user is that user's to remove
