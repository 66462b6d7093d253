import json

import pytest

from innkeep.cli.conversation_commands import HELP, Talk
from innkeep.wire import Message


@pytest.fixture
def talk():
    return Talk(messages=[Message("user", "안녕"), Message("assistant", "hello\n")], system="short")


def test_help_lists_the_commands(talk):
    assert talk.obey("/help") == HELP
    assert talk.obey("/nope") == "no command /nope; /help lists them"


def test_a_role_or_a_model_holds_from_now_on_and_one_ends_the_other(talk):
    assert talk.obey("/role coding") == "coding from now on"
    assert talk.obey("/model ollama/m:1") == "m:1 from now on"
    assert (talk.role, talk.model) == (None, "m:1")
    talk.obey("/role reasoning")
    assert (talk.role, talk.model) == ("reasoning", None)
    assert talk.obey("/role auto") == "roles by what you ask"
    assert talk.obey("/model") == "models by what you ask"
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
