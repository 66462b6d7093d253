import stat

import pytest

from innkeep.cli.line_editor import completions, more_is_typed, save_history, terminal_reader

NAMES = ["qwen2.5-coder:32b", "llama3.1:8b"]


@pytest.mark.parametrize(
    ("line", "word", "found"),
    [
        ("/re", "/re", ["/reset", "/retry"]),
        ("/model q", "q", ["qwen2.5-coder:32b"]),
        ("/role ", "", ["auto", "coding", "general", "reasoning"]),
        ("hello", "hello", []),
        ("/save a", "a", []),
    ],
)
def test_tab_completes_commands_models_and_roles(line, word, found):
    assert completions(line, word, lambda: NAMES) == found


def test_the_history_is_read_and_kept_for_this_user_alone(tmp_path):
    readline = pytest.importorskip("readline")
    file = tmp_path / "chat_history"
    assert terminal_reader(file, lambda: NAMES) is input
    readline.add_history("hello")
    save_history(file)
    assert "hello" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    readline.set_completer(None)


def test_nothing_more_is_typed_where_nothing_can_be_read(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert not more_is_typed()
