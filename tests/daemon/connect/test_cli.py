import json

import pytest

from innkeepd.clients.table import clients
from innkeepd.connect.cli import main


def run(person, *words):
    return main(words, person.environ, "linux")


@pytest.mark.parametrize("name", clients())
def test_every_client_is_shown_as_text_and_as_json(name, person, capsys):
    assert run(person, name) == 0
    text = capsys.readouterr()
    assert "11435" in text.out
    assert run(person, name, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["client"], shown["url"]) == (name, "http://127.0.0.1:11435")
    assert shown["files"] or shown["environment"] or shown["commands"]
    assert ("--write` merges this" in text.err) == bool(shown["files"])
    assert not list(person.user_home.iterdir())


def test_a_write_and_an_undo_say_what_they_did(person, capsys):
    assert run(person, "codex", "--write") == 0
    file = person.user_home / ".codex" / "config.toml"
    assert capsys.readouterr().out == f"{file}: written\n"
    assert run(person, "codex", "--write", "--json") == 0
    assert json.loads(capsys.readouterr().out)["files"] == [
        {"file": str(file), "changed": False, "backup": None, "notes": []}
    ]
    file.write_text(file.read_text() + "mine = 1\n")
    assert run(person, "codex", "--write", "--url", "http://mac:1/") == 0
    assert "written (as it was: config.toml.bak)" in capsys.readouterr().out
    assert run(person, "codex", "--undo") == 0
    assert capsys.readouterr().out == f"{file}: put back as it was\n"
    assert file.read_text().split() == ["[model_providers.innkeep]", "mine", "=", "1"]


def test_the_list_tells_who_asks_whom(person, capsys):
    aider = person.user_home / ".aider.conf.yml"
    aider.write_text("set-env: [OLLAMA_API_BASE=http://localhost:11434]\n")
    (person.user_home / ".codex").mkdir()
    (person.user_home / ".codex" / "config.toml").write_text("model = 'x'\n")
    assert run(person, "pi", "--write") == 0
    capsys.readouterr()
    assert run(person, "--list", "--json") == 0
    states = {one["client"]: one["state"] for one in json.loads(capsys.readouterr().out)["clients"]}
    assert states.items() >= {
        "aider": "asks Ollama directly", "pi": "asks innkeep", "codex": "installed", "llm": "-",
    }.items()  # fmt: skip
    assert run(person) == 0
    assert "aider        asks Ollama directly" in capsys.readouterr().out


def test_a_list_comes_without_a_port_too(person, capsys):
    person.home.mkdir()
    (person.home / "config.toml").write_text("[http]\nenabled = false\n")
    assert run(person, "--list") == 0
    assert "switched off" in capsys.readouterr().err
    assert run(person, "pi") == 1
    assert "switched off" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["claude"], "no client 'claude'; did you mean claude-code?"),
        (["zzz"], "no client 'zzz'; there are: aider, claude-code"),
        (["open-webui", "--write"], "Open WebUI has no file that could be written"),
        (["pi", "--undo"], "nothing to undo: `innkeep connect pi --write` has changed nothing here"),
    ],
)
def test_what_cannot_be_done_is_one_line(words, said, person, capsys):
    assert run(person, *words) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"innkeepd: {said}")
    assert run(person, *words, "--json") == 1
    assert json.loads(capsys.readouterr().out)["message"].startswith(said)


@pytest.mark.parametrize("url", ["mac:11435", "http://h:99999", "http://h/v1", "ftp://h", "http://h?x"])
def test_an_address_that_no_client_could_ask_is_wrong_usage(url, person, capsys):
    with pytest.raises(SystemExit) as left:
        run(person, "pi", "--url", url)
    assert left.value.code == 2
    assert "expected an address like" in capsys.readouterr().err


def test_the_token_is_shown_with_a_word_of_warning(person, capsys):
    person.home.mkdir()
    (person.home / "config.toml").write_text('[http]\ntoken = "secret"\n')
    assert run(person, "codex") == 0
    out, err = capsys.readouterr()
    assert 'Authorization = "Bearer secret"' in out
    assert "note: this holds the token of [http]" in err
