import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import anyio
import pytest

from innkeep.wire import DecisionRecord
from innkeepd.store import records as history
from innkeepd.store import sqlite as history_file
from innkeepd.store.records import History, MemoryHistory


def record(number, **more):
    return DecisionRecord(**{"id": f"r{number:04}", "asked_at": time.time(), "prompt_tokens": number} | more)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.sqlite3"


@pytest.fixture
def told():
    return []


@pytest.fixture
def opened(path, told):
    """Opens histories and closes them at the end."""
    all_opened = []

    def open_(**more):
        all_opened.append(History.open(path, warn=told.append, **more))
        return all_opened[-1]

    yield open_
    for one in all_opened:
        one.close()


def ask(function, *args):
    return anyio.run(function, *args)


def numbers(records):
    return [one.prompt_tokens for one in records]


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_records_are_told_newest_first_and_found_by_the_beginning_of_their_id(kind, opened):
    kept = MemoryHistory() if kind == "memory" else opened()
    for number in range(12):
        kept.record(record(number))
    assert numbers(ask(kept.recent, 3)) == [11, 10, 9]
    assert numbers(ask(kept.recent, -1)) == []
    assert numbers(ask(kept.find, "r0005")) == [5]
    assert numbers(ask(kept.find, "r001")) == [11, 10]
    assert numbers(ask(kept.find, "%")) == []


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_record_with_the_same_id_replaces_the_old_one_in_its_place(kind, opened):
    kept = MemoryHistory() if kind == "memory" else opened()
    for number in range(3):
        kept.record(record(number))
    kept.record(record(1, feedback="coding"))
    told = ask(kept.recent, 5)
    assert numbers(told) == [2, 1, 0]
    assert told[1].feedback == "coding"


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_fact_is_there_at_once_and_gone_once_forgotten(kind, opened):
    kept = MemoryHistory() if kind == "memory" else opened()
    kept.put("selected", "big:latest")
    assert kept.get("selected") == "big:latest"
    kept.put("selected", None)
    kept.put("never there", None)
    assert kept.get("selected", "auto") == "auto"


def test_records_and_facts_survive_a_restart(opened):
    first = opened()
    first.record(record(1, client="한국어"))
    first.put("pins", ["a:latest", "b:latest"])
    first.put("gone", 1)
    first.put("gone", None)
    first.close()
    second = opened()
    assert ask(second.recent, 5)[0].client == "한국어"
    assert second.get("pins") == ["a:latest", "b:latest"]
    assert second.get("gone") is None


def test_only_the_newest_records_are_kept(opened):
    kept = opened(limit=50)
    for number in range(500):
        kept.record(record(number))
    ask(kept.recent, 1)
    kept.close()
    assert numbers(ask(opened(limit=50).recent, 100)) == list(range(499, 449, -1))


def test_a_running_daemon_prunes_too(opened, path):
    kept = opened(limit=10)
    for number in range(history.PRUNE_EVERY):
        kept.record(record(number))
        if number % 20 == 0:
            ask(kept.recent, 1)
    assert len(ask(kept.recent, 1000)) == 10


def test_old_records_go(opened):
    kept = opened()
    kept.record(record(1, asked_at=time.time() - 40 * 86400))
    kept.record(record(2))
    kept.close()
    assert numbers(ask(opened(days=30).recent, 5)) == [2]


def test_with_a_limit_of_none_at_all_only_facts_are_kept(opened):
    kept = opened(limit=0)
    kept.record(record(1))
    kept.put("selected", "a")
    assert ask(kept.recent, 5) == []
    kept.close()
    assert opened(limit=0).get("selected") == "a"


def test_only_its_owner_reads_the_file(opened, path):
    opened().put("a", 1)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_broken_file_is_renamed_aside_and_a_new_one_begun(opened, path, told):
    path.write_bytes(b"this is no database" * 100)
    kept = opened()
    kept.record(record(1))
    assert numbers(ask(kept.recent, 5)) == [1]
    assert kept.degraded is None
    (aside,) = path.parent.glob("state.sqlite3.broken-*")
    assert aside.read_bytes().startswith(b"this is no database")
    assert len(told) == 1
    assert aside.name in told[0]


def test_a_file_with_a_broken_page_is_renamed_aside_too(opened, path, told):
    kept = opened()
    for number in range(300):
        kept.record(record(number, client="x" * 500))
    kept.close()
    whole = bytearray(path.read_bytes())
    whole[8192:16384] = b"\xff" * 8192
    path.write_bytes(whole)
    assert ask(opened().recent, 5) == []
    assert len(list(path.parent.glob("*.broken-*"))) == 1


def test_a_newer_innkeeps_file_is_left_alone(opened, path, told):
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = path.read_bytes()
    kept = opened()
    kept.record(record(1))
    kept.put("a", 1)
    assert numbers(ask(kept.recent, 5)) == [1]
    assert "schema 99" in kept.degraded
    kept.close()
    assert path.read_bytes() == before
    assert len(told) == 1


def test_a_folder_that_cant_be_written_leaves_a_history_in_memory(tmp_path, told):
    (tmp_path / "file").write_text("")
    kept = History.open(tmp_path / "file" / "state.sqlite3", warn=told.append)
    kept.record(record(1))
    assert numbers(ask(kept.find, "r")) == [1]
    assert len(told) == 1
    kept.close()


def test_a_disk_error_is_told_once_and_ends_when_the_disk_works_again(opened, told, monkeypatch):
    kept = opened()
    kept.put("selected", "a")
    ask(kept.recent, 1)
    works = history_file.write_records

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(history_file, "write_records", full)
    for number in range(3):
        kept.record(record(number))
        kept.put("pins", [number])
        assert not ask(kept.written)
    assert numbers(ask(kept.recent, 5)) == [2, 1, 0]
    assert "disk is full" in kept.degraded
    assert len(told) == 1
    monkeypatch.setattr(history_file, "write_records", works)
    kept.record(record(9))
    kept.close()
    assert kept.degraded is None
    again = opened()
    assert (again.get("pins"), again.get("selected")) == ([2], "a")
    assert numbers(ask(again.recent, 5)) == [9, 2, 1, 0]  # those of the failed batches too


def test_a_disk_that_hangs_neither_blocks_a_record_nor_the_end(opened, told, monkeypatch):
    stuck = threading.Event()
    monkeypatch.setattr(history_file, "write_records", lambda *_: stuck.wait(10))
    monkeypatch.setattr(history, "WAITING", 5)
    kept = opened()
    kept._queue.maxsize = 5
    started = time.monotonic()
    for number in range(50):
        kept.record(record(number))
    kept.close(0.05)
    assert time.monotonic() - started < 1
    stuck.set()
    assert told[0].endswith("records are dropped until it can")
    assert "too slow" in told[1]
    assert numbers(ask(kept.recent, 2)) == [49, 48]


def test_an_end_without_a_full_queue_waits_only_so_long(opened, told, monkeypatch):
    stuck = threading.Event()
    monkeypatch.setattr(history_file, "write_records", lambda *_: stuck.wait(10))
    kept = opened()
    kept.record(record(1))
    kept.close(0.05)
    stuck.set()
    assert told == [f"history: {kept._path} is too slow; the last records may be lost"]
    kept.close()


def test_a_value_that_json_does_not_know_is_kept_as_text(opened, path):
    kept = opened()
    kept.put("where", path)
    kept.close()
    assert opened().get("where") == str(path)


def test_a_read_that_fails_is_answered_from_memory(opened, monkeypatch):
    kept = opened()
    kept.record(record(1))

    def broken(*_, **__):
        raise sqlite3.DatabaseError("broken")

    monkeypatch.setattr(history_file, "recent", broken)
    assert numbers(ask(kept.recent, 5)) == [1]


def test_what_was_written_survives_kill_9(path):
    code = (
        "import sys, time, anyio\n"
        "from pathlib import Path\n"
        "from innkeep.wire import DecisionRecord\n"
        "from innkeepd.store.records import History\n"
        "kept = History.open(Path(sys.argv[1]))\n"
        "for n in range(100):\n"
        "    kept.record(DecisionRecord(id=f'r{n:04}', asked_at=time.time(), prompt_tokens=n))\n"
        "kept.put('selected', 'big:latest')\n"
        "anyio.run(kept.recent, 1)\n"
        "print('written', flush=True)\n"
        "while True:\n"
        "    kept.record(DecisionRecord(id='last', asked_at=time.time()))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    )
    assert child.stdout.readline() == b"written\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    told = []
    kept = History.open(path, warn=told.append)
    assert set(range(100)) <= set(numbers(ask(kept.recent, 200)))
    assert kept.get("selected") == "big:latest"
    assert told == []
    kept.close()


def test_a_fact_is_on_the_disk_once_it_is_told_to_be_written(opened, path):
    kept = opened()
    kept.put("pins", ["big:latest"])
    ask(kept.written)
    assert opened().get("pins") == ["big:latest"]


def test_a_history_in_memory_is_bounded_and_shows_itself():
    kept = MemoryHistory(limit=2)
    for number in range(5):
        kept.record(record(number))
    kept.put("a", 1)
    kept.close()
    assert repr(kept) == "MemoryHistory(2 records, 1 facts)"
    assert numbers(ask(kept.recent, 9)) == [4, 3]


@pytest.mark.anyio
async def test_a_promise_is_told_as_not_kept_while_the_disk_is_full_and_all_is_written_once_it_is_not(
    tmp_path, monkeypatch
):
    kept = History.open(tmp_path / "a.sqlite3")
    write = history_file.write_state

    def full(*_args):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(history_file, "write_state", full)
    kept.record(DecisionRecord(id="r1", asked_at=1.0))
    kept.put("pins", ["a"])
    assert not await kept.written()
    monkeypatch.setattr(history_file, "write_state", write)
    kept.record(DecisionRecord(id="r2", asked_at=2.0))
    assert await kept.written()
    kept.close()
    again = History.open(tmp_path / "a.sqlite3", days=1e6)
    assert again.get("pins") == ["a"]
    assert {record.id for record in await again.recent(5)} == {"r1", "r2"}
    again.close()


@pytest.mark.anyio
async def test_a_record_that_is_awaited_is_in_the_file_at_once_and_does_not_wait_for_others(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "GATHER", 3600.0)
    kept = History.open(tmp_path / "a.sqlite3", days=1e6)
    for number in range(20):
        kept.record(DecisionRecord(id=f"r{number}", asked_at=1.0))
        assert await kept.recorded()
        with sqlite3.connect(tmp_path / "a.sqlite3") as other:  # as another process sees it, without the memory
            assert other.execute("SELECT count(*) FROM records").fetchone() == (number + 1,)
        other.close()
    kept.close()


@pytest.mark.anyio
async def test_many_that_await_their_records_share_commits(tmp_path, monkeypatch):
    kept = History.open(tmp_path / "a.sqlite3", days=1e6)
    write, commits, begun, free = history_file.write_records, [], threading.Event(), threading.Event()

    def slow(database, records):
        commits.append(len(records))
        begun.set()
        free.wait(30)
        write(database, records)

    monkeypatch.setattr(history_file, "write_records", slow)
    monkeypatch.setattr(history, "RECORD_WITHIN", 30.0)
    outcomes = []

    async def end(number):
        kept.record(DecisionRecord(id=f"r{number}", asked_at=1.0))
        outcomes.append(await kept.recorded())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end, 0)
        await anyio.to_thread.run_sync(begun.wait, 30)
        for number in range(1, 100):
            kept.record(DecisionRecord(id=f"r{number}", asked_at=1.0))
        tasks.start_soon(end, 100)
        await anyio.wait_all_tasks_blocked()
        free.set()
    assert (outcomes, commits) == ([True, True], [1, 100])
    kept.close()


@pytest.mark.anyio
async def test_a_disk_that_hangs_is_waited_for_once_and_then_by_nobody_until_it_goes_on(tmp_path, monkeypatch):
    kept = History.open(tmp_path / "a.sqlite3", days=1e6)
    write, free = history_file.write_records, threading.Event()
    monkeypatch.setattr(history_file, "write_records", lambda *args: (free.wait(30), write(*args)))
    monkeypatch.setattr(history, "RECORD_WITHIN", 0.05)
    kept.record(DecisionRecord(id="r1", asked_at=1.0))
    assert not await kept.recorded()
    monkeypatch.setattr(history, "RECORD_WITHIN", 3600.0)
    monkeypatch.setattr(history, "FACT_WITHIN", 3600.0)
    kept.record(DecisionRecord(id="r2", asked_at=1.0))
    assert not await kept.recorded()
    kept.put("pins", ["a"])
    assert not await kept.written()
    released = threading.Event()
    kept._overdue._wake = released.set
    free.set()
    assert await anyio.to_thread.run_sync(released.wait, 30)
    assert await kept.recorded()
    assert {each.id for each in await kept.recent(5)} == {"r1", "r2"}
    kept.close()


@pytest.mark.anyio
async def test_a_caller_that_is_cancelled_still_learns_whether_its_record_was_kept(tmp_path):
    kept = History.open(tmp_path / "a.sqlite3", days=1e6)
    outcome = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        kept.record(DecisionRecord(id="r1", asked_at=1.0))
        outcome.append(await kept.recorded())
    assert outcome == [True]
    kept.close()


@pytest.mark.anyio
async def test_what_is_dropped_or_was_never_on_a_disk_is_reported_as_not_kept(tmp_path, monkeypatch):
    kept = History.open(tmp_path / "a.sqlite3", days=1e6)
    monkeypatch.setattr(kept, "_enqueue", lambda _write: False)
    assert (await kept.recorded(), await kept.written()) == (False, False)
    monkeypatch.undo()
    kept.close()
    assert (await kept.recorded(), await kept.written()) == (False, False)
    assert await History(tmp_path / "b.sqlite3", 0, 30.0, print).recorded()  # no records by configuration


@pytest.mark.anyio
async def test_a_database_that_is_deleted_under_us_is_told_and_written_anew(tmp_path):
    warned = []
    history = History.open(tmp_path / "a.sqlite3", days=1e6, warn=warned.append)
    history.put("pins", ["a"])
    history.record(DecisionRecord(id="r1", asked_at=1.0))
    assert await history.written()
    for file in tmp_path.iterdir():
        file.unlink()
    history.put("selection", {"model": "b"})
    assert await history.written()
    assert "taken away" in warned[0]
    history.close()
    again = History.open(tmp_path / "a.sqlite3", days=1e6)
    assert (again.get("pins"), again.get("selection")) == (["a"], {"model": "b"})
    assert [record.id for record in await again.recent(5)] == ["r1"]
    again.close()


@pytest.mark.anyio
async def test_a_clock_that_is_far_ahead_at_a_start_costs_no_record(tmp_path, monkeypatch):
    history = History.open(tmp_path / "a.sqlite3")
    now = time.time()
    history.record(DecisionRecord(id="r1", asked_at=now))
    assert await history.written()
    history.close()
    monkeypatch.setattr(time, "time", lambda: now + 40 * 86400)
    again = History.open(tmp_path / "a.sqlite3")
    for number in range(300):
        again.record(DecisionRecord(id=f"n{number}", asked_at=time.time()))
    assert await again.written()
    assert [record.id for record in await again.find("r1")] == ["r1"]
    assert await again.recent(2**63)
    again.close()
