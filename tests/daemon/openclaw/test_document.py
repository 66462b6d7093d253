import io
import json

import pytest

from innkeepd.errors import DaemonError
from innkeepd.openclaw.document import Document, keep_copy, read, usual_place, write


@pytest.fixture
def file(tmp_path):
    return tmp_path / "openclaw.json"


def test_json5_is_read_with_its_comments_known(file):
    file.write_text("{ // mine\n a: 1, b: [2,], }")
    assert Document(file, {"a": 1, "b": [2]}, has_comments=True) == read(file)


def test_plain_json_has_nothing_to_lose(file):
    file.write_text('\ufeff{"a": 1}')
    assert Document(file, {"a": 1}) == read(file)


def test_a_dash_is_standard_input(file, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
    assert Document(None, {}) == read(file.with_name("-").relative_to(file.parent))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{a: }", "not JSON5: line 1"),
        (b" \n", "empty; OpenClaw's configuration is an object"),
        (b"[]", "expected an object {...} as OpenClaw's configuration is, got a list"),
        (b"7", "got a number or a boolean"),
        (b"\xff", "not UTF-8 text"),
        (b"[" * 50_000, "nested too deeply"),
    ],
)
def test_what_is_no_configuration_is_said_in_one_line(file, content, says):
    file.write_bytes(content)
    with pytest.raises(DaemonError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_readable_is_said(file):
    with pytest.raises(DaemonError, match="no such file"):
        read(file)
    with pytest.raises(DaemonError, match="can't be read: Is a directory"):
        read(file.parent)


def test_writing_keeps_a_copy_and_the_files_mode(file):
    file.write_text("{}")
    file.chmod(0o640)
    backup = write(file, {"왜": 1})
    assert backup == file.with_name("openclaw.json.bak")
    assert backup.read_text() == "{}"
    assert file.read_text() == '{\n  "왜": 1\n}\n'
    assert 0o640 == file.stat().st_mode & 0o777 == backup.stat().st_mode & 0o777


def test_a_new_file_is_private_and_has_no_copy(file):
    assert write(file, {}) is None
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_copy_is_never_overwritten(file):
    file.write_text("1")
    assert [keep_copy(file)[0].name for _ in "123"] == ["openclaw.json.bak", "openclaw.json.bak1", "openclaw.json.bak2"]


def test_a_link_stays_a_link(file, tmp_path):
    file.write_text("{}")
    link = tmp_path / "link.json"
    link.symlink_to(file)
    write(link, {"a": 1})
    assert link.is_symlink()
    assert json.loads(file.read_text()) == {"a": 1}


def test_a_folder_that_is_none_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DaemonError, match="can't be written"):
        write(tmp_path / "file" / "openclaw.json", {})


@pytest.mark.parametrize(
    ("env", "place"),
    [
        ({"HOME": "/h"}, "/h/.openclaw/openclaw.json"),
        ({"HOME": "/h", "OPENCLAW_STATE_DIR": "~/s"}, "/h/s/openclaw.json"),
        ({"HOME": "/h", "OPENCLAW_STATE_DIR": "/s", "OPENCLAW_CONFIG_PATH": "/c.json"}, "/c.json"),
    ],
)
def test_openclaws_own_places_are_known(env, place):
    assert place == str(usual_place(env))
