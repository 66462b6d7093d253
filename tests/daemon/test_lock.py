import errno
import os
import stat

import pytest

from innkeepd.errors import DaemonError
from innkeepd.lock import AlreadyRunning, Lock, lock_ollama


def test_who_has_the_lock_is_named_to_who_wants_it(tmp_path):
    path = tmp_path / "home" / "innkeepd.lock"
    lock = Lock(path)
    assert path.read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(AlreadyRunning, match=rf"already running for {path.parent} \(pid {os.getpid()}\)"):
        Lock(path)
    lock.release()
    Lock(path).release()
    assert path.exists()
    assert path.read_text() == ""


def test_a_longer_pid_of_a_dead_daemon_leaves_nothing_behind(tmp_path):
    path = tmp_path / "innkeepd.lock"
    path.write_text("123456789012345\n")
    lock = Lock(path)
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_lock_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DaemonError, match="cannot make the lock"):
        Lock(tmp_path / "file" / "innkeepd.lock")


def test_a_full_disk_keeps_the_pid_out_of_the_lock_and_not_the_daemon_from_starting(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("ftruncate", "pwrite"):
        monkeypatch.setattr(os, name, full)
    lock = Lock(tmp_path / "innkeepd.lock")
    with pytest.raises(AlreadyRunning, match="pid unknown"):
        Lock(tmp_path / "innkeepd.lock")
    lock.release()
    Lock(tmp_path / "innkeepd.lock").release()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "innkeepd.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(DaemonError, match="cannot make the lock"):
        Lock(tmp_path / "innkeepd.lock")
    assert (tmp_path / "victim").read_text() == "precious"


def test_two_homes_share_no_ollama_however_its_address_is_spelled(tmp_path):
    lock = lock_ollama("http://localhost:11434", tmp_path)
    for same in ("http://127.0.0.1:11434/", "http://[::1]:11434"):
        with pytest.raises(AlreadyRunning, match=rf"owns the Ollama at .*pid {os.getpid()}.*url"):
            lock_ollama(same, tmp_path)
    lock_ollama("http://127.0.0.1:11500", tmp_path).release()
    lock.release()
    lock_ollama("http://127.0.0.1:11434", tmp_path).release()
