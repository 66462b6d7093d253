import stat
from pathlib import Path

import pytest

from innkeepd.lock import Lock
from innkeepd.service import files
from innkeepd.service.files import clear_away, make_ready, remove_socket, tail, write_whole
from support.service import FakeMac


def test_the_home_folder_of_others_eyes_is_closed(mac: FakeMac):
    mac.paths.home.mkdir(mode=0o755)
    mac.paths.home.chmod(0o755)
    make_ready(mac.paths)
    assert stat.S_IMODE(mac.paths.home.stat().st_mode) == 0o700


def test_a_long_crash_log_is_put_aside(mac: FakeMac, monkeypatch):
    make_ready(mac.paths)
    mac.paths.crash_log.write_text("short")
    make_ready(mac.paths)
    assert mac.paths.crash_log.exists()
    monkeypatch.setattr(files, "CRASH_LOG_LIMIT", 3)
    make_ready(mac.paths)
    assert not mac.paths.crash_log.exists()
    assert mac.paths.crash_log.with_name("crash.log.1").read_text() == "short"


def test_a_file_is_written_once_with_its_mode(short_path: Path):
    path = short_path / "a" / "b"
    assert write_whole(path, b"1")
    assert not write_whole(path, b"1")
    path.chmod(0o600)
    assert write_whole(path, b"1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_write_that_fails_leaves_the_old_file_and_no_other(short_path: Path, monkeypatch):
    path = short_path / "plist"
    write_whole(path, b"old")

    def full(_descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(short_path.iterdir()) == [path]


def test_what_is_no_socket_is_not_deleted_in_its_place(mac: FakeMac):
    mac.paths.home.mkdir()
    assert not remove_socket(mac.paths)
    mac.paths.socket.write_text("mine")
    assert not remove_socket(mac.paths)
    assert mac.paths.socket.read_text() == "mine"


def test_clearing_away_knows_its_own_files_by_name(mac: FakeMac):
    make_ready(mac.paths)
    for name in ("config.toml", "notes.txt", "state.sqlite3"):
        (mac.paths.home / name).write_text("x")
    mac.paths.crash_log.write_text("x")
    gone, left = clear_away(mac.paths, keep_state=False)
    assert [path.name for path in gone] == ["state.sqlite3", "crash.log"]
    assert [path.name for path in left] == ["config.toml", "notes.txt"]
    assert not mac.paths.logs.exists()


def test_the_tail_of_a_file_is_bounded(short_path: Path):
    path = short_path / "log"
    assert tail(path, 3) == []
    path.write_text("\n".join(map(str, range(100))))
    assert tail(path, 2) == ["98", "99"]
    assert tail(path, 100, most=5) == ["98", "99"]


def test_locks_that_nobody_holds_are_cleared_away_and_a_held_one_stays(mac: FakeMac):
    make_ready(mac.paths)
    held = Lock(mac.paths.home / "locks" / "held.lock")
    (mac.paths.home / "locks" / "free.lock").write_text("")
    gone, left = clear_away(mac.paths, keep_state=True)
    assert [path.name for path in gone] == ["free.lock"]
    assert [path.name for path in left] == ["locks"]
    held.release()
    assert [path.name for path in clear_away(mac.paths, keep_state=True)[0]] == ["held.lock"]
    assert not mac.paths.home.exists()
