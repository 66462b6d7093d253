import sqlite3

import pytest

from innkeep.wire import DecisionRecord
from innkeepd.store import sqlite as history_file


@pytest.fixture
def database(tmp_path):
    opened = history_file.connect(tmp_path / "a.sqlite3")
    yield opened
    opened.close()


def test_the_schemas_version_is_written_down(database):
    assert database.execute("PRAGMA user_version").fetchone() == (history_file.VERSION,)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_opening_twice_makes_nothing_twice(tmp_path):
    for _ in range(2):
        database = history_file.connect(tmp_path / "a.sqlite3")
        history_file.write_state(database, [("a", "1")])
        database.close()
    database = history_file.connect(tmp_path / "a.sqlite3")
    assert history_file.state(database) == {"a": 1}
    database.close()


def test_a_fact_that_is_no_json_is_left_out(database):
    history_file.write_state(database, [("good", "[1]"), ("bad", "{")])
    assert history_file.state(database) == {"good": [1]}


def test_pruning_keeps_the_newest_and_the_young(database):
    history_file.write_records(database, [(f"r{n}", float(n), "{}") for n in range(10)])
    history_file.prune(database, 100, 3.0)
    assert database.execute("SELECT min(at) FROM records").fetchone() == (3.0,)
    history_file.prune(database, 2, 0.0)
    assert database.execute("SELECT id FROM records ORDER BY number").fetchall() == [("r8",), ("r9",)]


def test_an_id_with_wildcards_is_taken_as_it_is(database):
    history_file.write_records(database, [("a_b", 1.0, '{"id":"a_b"}'), ("axb", 2.0, '{"id":"axb"}')])
    assert history_file.find(database, "a_", 5) == [DecisionRecord(id="a_b")]


def test_setting_aside_takes_the_files_that_belong_to_it_along(tmp_path):
    for tail in ("", "-wal"):
        (tmp_path / f"a.sqlite3{tail}").write_text(tail)
    aside = history_file.set_aside(tmp_path / "a.sqlite3", "now")
    assert aside == tmp_path / "a.sqlite3.broken-now"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.sqlite3.broken-now", "a.sqlite3.broken-now-wal"]


def test_a_newer_schema_is_told(tmp_path):
    database = sqlite3.connect(tmp_path / "a.sqlite3")
    database.execute(f"PRAGMA user_version = {history_file.VERSION + 1}")
    database.close()
    with pytest.raises(history_file.NewerSchema, match="schema 2"):
        history_file.connect(tmp_path / "a.sqlite3")


@pytest.mark.parametrize("value", ["x'ff22'", "5", "1.5", "x'5b5bff'", "'" + "[" * 5000 + "'"])
def test_what_is_no_json_text_at_all_is_left_out_of_facts_and_records(database, value):
    history_file.write_state(database, [("a", "1")])
    history_file.write_records(database, [("r1", 1.0, '{"id":"r1"}')])
    database.execute(f"INSERT INTO state VALUES ('bad', {value})")
    database.execute(f"INSERT INTO records (id, at, body) VALUES ('r2', 2.0, {value})")
    assert history_file.state(database)["a"] == 1
    assert history_file.recent(database, 5) == [DecisionRecord(id="r1")]
    assert history_file.find(database, "r", 5) == [DecisionRecord(id="r1")]
