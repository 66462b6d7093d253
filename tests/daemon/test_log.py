import io
import json
import stat
from pathlib import Path

import pytest

from innkeepd import log
from innkeepd.config.schema import LogConfig


@pytest.fixture(autouse=True)
def left_as_found():
    yield
    log.close()


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_is_json_with_time_level_and_event(tmp_path):
    path = log.configure(LogConfig(), foreground=False, folder=tmp_path / "logs")
    log.get().info("loaded", model="코더:32b", seconds=12.5)
    (line,) = lines(path)
    assert (line["event"], line["level"], line["model"], line["seconds"]) == ("loaded", "info", "코더:32b", 12.5)
    assert line["timestamp"].endswith("Z")


def test_only_the_owner_reads_the_log(tmp_path):
    path = log.configure(LogConfig(), foreground=False, folder=tmp_path / "logs")
    assert path == tmp_path / "logs" / "innkeepd.log"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_named_path_is_used_and_its_folder_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o755)
    path = log.configure(LogConfig(path=str(tmp_path / "mine.log")), foreground=False, folder=tmp_path / "logs")
    assert path == tmp_path / "mine.log"
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_secrets_never_reach_the_log_and_prompts_only_where_wanted(tmp_path):
    path = log.configure(LogConfig(), foreground=False, folder=tmp_path)
    log.get().info(
        "ask", token="hunter2", prompt="my diary", headers={"Authorization": "hunter2", "n": [1, {"text": "my diary"}]}
    )
    assert "hunter2" not in path.read_text()
    assert "my diary" not in path.read_text()
    assert lines(path)[0]["headers"]["n"][0] == 1
    log.configure(LogConfig(prompts=True), foreground=False, folder=tmp_path)
    log.get().info("ask", token="hunter2", prompt="my diary")
    assert "hunter2" not in path.read_text()
    assert "my diary" in path.read_text()


def test_a_value_as_long_as_a_page_is_cut(tmp_path):
    path = log.configure(LogConfig(), foreground=False, folder=tmp_path)
    log.get().warning("failed", message="x" * 5000)
    assert lines(path)[0]["message"].endswith("... (5000 characters)")
    assert len(path.read_text()) < 2500


def test_the_file_rotates_by_size_and_keeps_so_many(tmp_path):
    path = log.configure(LogConfig(size=500, keep=2), foreground=False, folder=tmp_path)
    for number in range(40):
        log.get().info("turn", number=number)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["innkeepd.log", "innkeepd.log.1", "innkeepd.log.2"]
    assert all(file.stat().st_size <= 500 for file in tmp_path.iterdir())
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in tmp_path.iterdir())
    assert lines(path)[-1]["number"] == 39


def test_lines_below_the_level_are_left_out(tmp_path):
    path = log.configure(LogConfig(level="warning"), foreground=False, folder=tmp_path)
    log.get().info("quiet")
    log.get().warning("loud")
    assert [line["event"] for line in lines(path)] == ["loud"]


def test_the_terminal_gets_readable_text_and_the_file_json(tmp_path):
    terminal = io.StringIO()
    path = log.configure(LogConfig(), foreground=True, folder=tmp_path, terminal=terminal)
    log.get().info("loaded", model="big")
    assert "loaded" in terminal.getvalue()
    assert "model=big" in terminal.getvalue()
    assert "{" not in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()
    assert lines(path)[0]["model"] == "big"


def test_a_request_leaves_one_line_that_begins_with_what_matters(tmp_path):
    path = log.configure(LogConfig(), foreground=False, folder=tmp_path)
    log.request_line(client="cli", seconds=1.23456, id="r1", role="coding", model="big", outcome="answered")
    (line,) = lines(path)
    assert line["event"] == "request"
    assert [key for key in line if key in {"id", "role", "model", "seconds", "client"}] == [
        "id",
        "role",
        "model",
        "seconds",
        "client",
    ]
    assert line["seconds"] == 1.235


def test_an_exception_is_one_line_of_json(tmp_path):
    path = log.configure(LogConfig(), foreground=False, folder=tmp_path)
    try:
        raise ValueError("broken")
    except ValueError:
        log.get().exception("internal")
    assert "ValueError: broken" in lines(path)[0]["exception"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_log_that_cant_be_written_is_reported_once_and_stops_nothing(capsys):
    log.configure(LogConfig(path="/dev/full"), foreground=False, folder=Path("/nowhere"))
    log.get().info("one")
    log.get().info("two")
    assert capsys.readouterr().err.count("the log can't be written") == 1


def test_a_folder_that_cant_be_made_is_the_callers_to_tell(tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(OSError, match="exists"):
        log.configure(LogConfig(), foreground=False, folder=tmp_path / "logs")


def test_a_link_in_the_place_of_the_log_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    victim.chmod(0o644)
    (tmp_path / log.FILE_NAME).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        log.configure(LogConfig(), foreground=False, folder=tmp_path)
    assert victim.read_text() == "mine"
    assert victim.stat().st_mode & 0o777 == 0o644


def test_names_that_clients_chose_move_no_cursor_of_a_terminal(tmp_path):
    terminal = io.StringIO()
    log.configure(LogConfig(), foreground=True, folder=tmp_path, terminal=terminal)
    log.request_line(id="1", client="\x1b[2J\nforged line\x9b31m")
    shown = terminal.getvalue()
    assert shown.count("\n") == 1
    assert "\\x1b[2J\\nforged line\\x9b31m" in shown
