import json
import stat

import pytest

from innkeepd.clients.table import Installation, clients
from innkeepd.connect import journal, merge
from innkeepd.errors import DaemonError

THERE = Installation("http://127.0.0.1:11435")
ELSEWHERE = Installation("http://127.0.0.1:9999", "secret")
PERSONS = '{\n  // mine\n  "env": {"MINE": "1"},\n}\n'


@pytest.fixture
def settings(tmp_path):
    file = tmp_path / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text(PERSONS)
    return file


CLAUDE = clients()["claude-code"]


def journal_of(person):
    return journal.read(journal.path_of(person.home, "claude-code"))


def test_a_write_keeps_a_backup_and_an_undo_puts_back_every_byte(person, settings):
    settings.chmod(0o640)
    (done,) = merge.write(CLAUDE, THERE, person)
    assert (done.changed, done.backup.read_text()) == (True, PERSONS)
    assert '"MINE": "1", "ANTHROPIC_BASE_URL": "http://127.0.0.1:11435"' in settings.read_text()
    assert stat.S_IMODE(settings.stat().st_mode) == 0o640
    (undone,) = merge.undo(CLAUDE, person)
    assert (undone.changed, settings.read_text()) == (True, PERSONS)
    assert [one.name for one in settings.parent.iterdir()] == ["settings.json"]
    assert not list((person.home / "connect").iterdir())


def test_a_second_write_changes_nothing(person, settings):
    merge.write(CLAUDE, THERE, person)
    before = settings.stat().st_mtime_ns, settings.read_bytes()
    (done,) = merge.write(CLAUDE, THERE, person)
    assert not done.changed
    assert (settings.stat().st_mtime_ns, settings.read_bytes()) == before
    assert len(list(settings.parent.iterdir())) == 2


def test_after_writes_with_other_addresses_an_undo_still_puts_back_every_byte(person, settings):
    merge.write(CLAUDE, THERE, person)
    (done,) = merge.write(CLAUDE, ELSEWHERE, person)
    assert done.changed
    assert "11435" not in settings.read_text()
    merge.undo(CLAUDE, person)
    assert settings.read_text() == PERSONS
    assert [one.name for one in settings.parent.iterdir()] == ["settings.json"]


def test_an_undo_after_somebody_changed_the_file_takes_only_ours_away(person, settings):
    merge.write(CLAUDE, THERE, person)
    settings.write_text(settings.read_text().replace('"MINE": "1"', '"MINE": "2"').replace('"coding"', '"mine"', 1))
    merge.write(CLAUDE, ELSEWHERE, person)
    settings.write_text(settings.read_text().replace("// mine", "// mine too"))
    (undone,) = merge.undo(CLAUDE, person)
    assert undone.notes == []
    assert json.loads(settings.read_text().replace("// mine too", "").replace(",\n}", "}")) == {
        "env": {"MINE": "2", "ANTHROPIC_MODEL": "mine"}
    }


def test_what_somebody_changed_since_is_named_and_stays(person, settings):
    merge.write(CLAUDE, THERE, person)
    settings.write_text(settings.read_text().replace('"general"', '"tiny"'))
    (undone,) = merge.undo(CLAUDE, person)
    assert undone.notes == ["env.ANTHROPIC_DEFAULT_HAIKU_MODEL was changed since and stays"]
    assert undone.backup.read_text() == PERSONS
    assert '"tiny"' in settings.read_text()


def test_a_file_that_was_made_is_for_its_owner_alone_and_goes_again(person):
    done = merge.write(clients()["pi"], ELSEWHERE, person)
    files = [one.file for one in done]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    files[1].write_text(files[1].read_text() + "\n")
    undone = merge.undo(clients()["pi"], person)
    assert [one.removed for one in undone] == [True, True]
    assert not any(file.exists() for file in files)


def test_a_file_that_is_gone_has_nothing_to_put_back(person, settings):
    merge.write(CLAUDE, THERE, person)
    settings.unlink()
    (undone,) = merge.undo(CLAUDE, person)
    assert undone.notes == ["is gone, so there is nothing to put back"]
    with pytest.raises(DaemonError, match="nothing to undo"):
        merge.undo(CLAUDE, person)


def test_a_file_that_was_deleted_in_between_is_made_anew(person, settings):
    merge.write(CLAUDE, THERE, person)
    settings.unlink()
    merge.write(CLAUDE, THERE, person)
    (undone,) = merge.undo(CLAUDE, person)
    assert undone.removed


def test_a_lost_backup_leaves_the_way_by_values(person, settings):
    (done,) = merge.write(CLAUDE, THERE, person)
    done.backup.unlink()
    merge.undo(CLAUDE, person)
    assert settings.read_text() == PERSONS


def test_a_link_stays_a_link(person, tmp_path):
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "aider.yml").write_text("# mine\n")
    (tmp_path / ".aider.conf.yml").symlink_to(tmp_path / "dotfiles" / "aider.yml")
    merge.write(clients()["aider"], THERE, person)
    assert (tmp_path / ".aider.conf.yml").is_symlink()
    assert "ollama_chat/coding" in (tmp_path / "dotfiles" / "aider.yml").read_text()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"env": ', "not JSON: line 1: expected a value"),
        (b'{"env": []}', "expected an object {...} around env.ANTHROPIC_BASE_URL; mend that first"),
        (b'{"a": "\n\xff"}', "line 2: not UTF-8 text; left as it was"),
        (b'{"a": "' + b"x" * merge.LARGEST + b'"}', "over 8 MiB, so not a configuration"),
    ],
    ids=["broken", "shape", "bytes", "large"],
)
def test_a_file_that_cannot_be_merged_into_is_left_alone(person, settings, content, words):
    settings.write_bytes(content)
    with pytest.raises(DaemonError) as refused:
        merge.write(CLAUDE, THERE, person)
    assert str(refused.value) == f"{settings}: {words}"
    assert settings.read_bytes() == content
    assert len(list(settings.parent.iterdir())) == 1


def test_of_two_files_none_is_written_where_one_is_broken(person, tmp_path):
    broken = tmp_path / ".pi" / "agent" / "settings.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    with pytest.raises(DaemonError):
        merge.write(clients()["pi"], THERE, person)
    assert [one.name for one in broken.parent.iterdir()] == ["settings.json"]


def test_a_place_that_is_no_file_is_told(person, settings):
    settings.unlink()
    settings.mkdir()
    with pytest.raises(DaemonError, match=r"settings.json: can't be read: Is a directory"):
        merge.write(CLAUDE, THERE, person)


def test_a_folder_that_cannot_be_made_is_told(person, tmp_path):
    (tmp_path / ".codex").write_text("a file where a folder should be")
    with pytest.raises(DaemonError, match="can't be"):
        merge.write(clients()["codex"], THERE, person)


def test_the_journal_knows_what_was_there_before_the_first_write(person, settings):
    settings.write_text('{"env": {"ANTHROPIC_MODEL": "theirs"}}')
    merge.write(CLAUDE, THERE, person)
    merge.write(CLAUDE, ELSEWHERE, person)
    (written,) = journal_of(person).values()
    before = {entry.path[-1]: entry.before for entry in written.entries}
    assert before["ANTHROPIC_MODEL"] == "theirs"
    assert written.exact


def test_a_broken_journal_is_told(person):
    file = journal.path_of(person.home, "claude-code")
    file.parent.mkdir(parents=True)
    for text in ("{", "[]", '{"files": {"/x": {}}}'):
        file.write_text(text)
        with pytest.raises(DaemonError, match="not the journal of"):
            merge.undo(CLAUDE, person)
    file.unlink()
    file.mkdir()
    with pytest.raises(DaemonError, match="can't be read"):
        merge.undo(CLAUDE, person)


def test_the_journal_is_for_its_owner_alone(person, settings):
    merge.write(CLAUDE, ELSEWHERE, person)
    file = journal.path_of(person.home, "claude-code")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
