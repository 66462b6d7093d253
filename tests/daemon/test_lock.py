import errno
import os
import resource
import stat

import pytest

from innkeepd.errors import DaemonError
from innkeepd.lock import AlreadyRunning, Lock, claim, raise_descriptors


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


# --- the home folder and this process's rights ---


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_is_made_and_a_readable_one_closed(tmp_path):
    home = tmp_path / "a" / "home"
    claim(home)
    assert mode(home) == 0o700
    home.chmod(0o755)
    claim(home)
    assert mode(home) == 0o700


@pytest.mark.parametrize("bits", [0o770, 0o757, 0o1777])
def test_a_home_that_others_may_write_to_is_refused_and_left_as_it_is(tmp_path, bits):
    tmp_path.chmod(bits)
    with pytest.raises(DaemonError, match=f"others may write to {tmp_path}; .*chmod go-w {tmp_path}"):
        claim(tmp_path)
    assert mode(tmp_path) == bits & 0o7777


def test_a_home_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(DaemonError, match="belongs to another user"):
        claim(tmp_path)


def test_a_home_that_is_a_file_is_told_in_one_line(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(DaemonError, match="cannot use the home folder"):
        claim(tmp_path / "home")


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ((256, resource.RLIM_INFINITY), (10_240, resource.RLIM_INFINITY)),
        ((256, 4096), (4096, 4096)),
        ((4096, 4096), None),
    ],
)
def test_the_limit_of_descriptors_is_raised_as_far_as_the_system_lets_it(monkeypatch, limits, wanted):
    reported = []
    monkeypatch.setattr(resource, "getrlimit", lambda _what: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _what, said: reported.append(said))
    raise_descriptors()
    assert reported == ([] if wanted is None else [wanted])


def test_a_system_that_refuses_more_descriptors_is_borne(monkeypatch):
    def refuse(*_):
        raise ValueError

    monkeypatch.setattr(resource, "getrlimit", lambda _what: (1, 2))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_descriptors()
