import json

import pytest

from innkeep.cli.chat_commands import COMMANDS, HELP, ChatState
from innkeep.wire import Message


@pytest.fixture
def talk():
    return ChatState(messages=[Message("user", "안녕"), Message("assistant", "hello\n")], system="short")


def test_help_lists_the_commands(talk):
    assert talk.obey("/help") == HELP
    assert talk.obey("/nope") == "no command /nope; /help lists them"


def test_a_role_or_a_model_holds_from_now_on_and_one_ends_the_other(talk):
    assert talk.obey("/role coding") == "role: coding from now on"
    assert talk.obey("/model ollama/m:1") == "model: m:1 from now on"
    assert (talk.role, talk.model) == (None, "m:1")
    talk.obey("/role reasoning")
    assert (talk.role, talk.model) == ("reasoning", None)
    assert talk.obey("/role auto") == "role: automatic"
    assert talk.obey("/model") == "model: automatic"
    assert talk.obey("/role coding") == "role: coding from now on"
    assert talk.obey("/role") == "role: coding"
    assert talk.obey("/role poetry") == "no role poetry; one of coding, reasoning, general, auto"


def test_a_reset_forgets_what_was_said_but_not_the_instructions(talk):
    assert talk.obey("/reset") == "forgotten"
    assert talk.spoken() == [Message("system", "short")]
    assert talk.obey("/system") == "no instructions"
    assert talk.spoken() == []
    assert talk.obey("/system be brief") == "instructions kept"


def test_a_conversation_is_saved_as_markdown_or_json(talk, tmp_path):
    assert talk.obey(f"/save {tmp_path / 'a b.md'}") == f"2 messages written to {tmp_path / 'a b.md'}"
    assert (tmp_path / "a b.md").read_text() == "## system\n\nshort\n\n## user\n\n안녕\n\n## assistant\n\nhello\n"
    talk.obey(f"/save {tmp_path / 'a.json'}")
    assert json.loads((tmp_path / "a.json").read_text())[1] == {"role": "user", "content": "안녕"}


def test_saving_needs_a_file_that_can_be_written(talk, tmp_path):
    assert talk.obey("/save") == "name a file: /save talk.md"
    assert talk.obey(f"/save {tmp_path}/no/a.md").endswith("a.md: No such file or directory")


def test_exit_ends_the_talk(talk):
    assert (talk.obey("/exit"), talk.over) == ("", True)


def test_every_command_is_in_the_help():
    assert all(command in HELP for command in COMMANDS)


def test_a_model_that_nobody_knows_is_refused(talk):
    talk.names = lambda: ["qwen2.5-coder:32b", "tiny:latest"]
    assert talk.obey("/model qwen2.5-coder:23b") == "no model qwen2.5-coder:23b; did you mean qwen2.5-coder:32b?"
    assert talk.obey("/model zzz") == "no model zzz; Tab shows the names"
    assert talk.model is None
    assert talk.obey("/model tiny") == "model: tiny from now on"


def test_a_question_is_asked_again_and_its_answer_forgotten(talk):
    assert (talk.obey("/retry"), talk.again, talk.messages) == ("", "안녕", [])
    assert talk.obey("/retry") == "no question yet"


def test_a_question_is_edited_and_asked_again(talk, monkeypatch, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf 'better' > \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    assert (talk.obey("/edit"), talk.again) == ("", "better")


def test_an_editor_that_is_not_there_loses_nothing(talk, monkeypatch):
    monkeypatch.setenv("VISUAL", "/nonexistent/editor")
    assert "set $EDITOR" in talk.obey("/edit")
    assert len(talk.messages) == 2


def test_the_last_answer_is_printed_again(talk):
    assert talk.obey("/last") == "hello\n"
    talk.obey("/reset")
    assert talk.obey("/last") == "no answer yet"


def test_a_file_that_is_there_is_not_overwritten_without_a_word(talk, tmp_path):
    file = tmp_path / "a.md"
    file.write_text("precious")
    assert talk.obey(f"/save {file}") == f"{file} exists; /save! {file} overwrites it"
    assert file.read_text() == "precious"
    assert talk.obey(f"/save! {file}").startswith("2 messages written")
