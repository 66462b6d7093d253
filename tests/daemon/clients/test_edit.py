import json

import pytest

from innkeepd.clients import edit as module
from innkeepd.clients.documents import NotEditable
from innkeepd.clients.edit import edit, taken_back
from innkeepd.clients.table import ConfigFile, Installation, clients

THERE = Installation("http://127.0.0.1:11435")
TOKEN = Installation("http://127.0.0.1:11435", "secret")
PERSONS = {
    "json": '{\n  // mine\n  "env": {"MINE": "1"}, // keep\n  "model": "x",\n}\n',
    "toml": '# mine\nmodel = "x" # keep\n\n[mine]\na = 1\n',
    "yaml": "# mine\nmodel: x  # keep\nmine:\n  - a\n",
}
FILES = [
    pytest.param(file, id=f"{client.name}-{number}")
    for client in clients().values()
    for number, file in enumerate(client.files)
]


@pytest.mark.parametrize("there", [THERE, TOKEN], ids=["open", "token"])
@pytest.mark.parametrize("file", FILES)
def test_every_file_takes_its_values_twice_the_same_and_gives_them_back(file, there):
    text = "# mine\n- model_id: mine\n  n: 1  # keep\n" if isinstance(file.values, list) else PERSONS[file.format]
    change = edit(text, file, there, "f")
    assert change.text != text
    assert "mine" in change.text
    assert "keep" in change.text
    assert ("secret" in change.text) == (bool(there.token) and "$key" in str(file))
    again = edit(change.text, file, there, "f")
    assert (again.text, again.entries) == (change.text, [])
    back = taken_back(change.text, file.format, "f", change.entries, change.made)
    assert (back.text.split(), back.entries) == (text.split(), [])


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_made_where_none_is(file):
    change = edit("", file, THERE, "f")
    back = taken_back(change.text, file.format, "f", change.entries, change.made).text
    assert "".join(back.split()) in ("", "{}", "[]")


def test_defaults_leave_what_somebody_chose():
    file = clients()["openclaw"].files[0]
    for chosen in ('"ollama/x"', '{"primary": "y"}'):
        text = f'{{"agents": {{"defaults": {{"model": {chosen}}}}}}}'
        after = json.loads(edit(text, file, THERE, "f").text)["agents"]["defaults"]["model"]
        expected = json.loads(chosen)
        assert after == (
            expected if "primary" in chosen or isinstance(expected, str) else expected | {"primary": "ollama/auto"}
        )


def test_what_somebody_changed_since_stays_and_is_named():
    file = ConfigFile(["~/x"], "json", {"a": {"b": 1, "c": 2}})
    change = edit('{"a": {"b": 0}}', file, THERE, "f")
    theirs = change.text.replace('"c": 2', '"c": 3')
    back = taken_back(theirs, "json", "f", change.entries, change.made)
    assert json.loads(back.text) == {"a": {"b": 0, "c": 3}}
    assert [entry.path for entry in back.entries] == [("a", "c")]


def test_what_somebody_took_away_since_stays_away():
    file = ConfigFile(["~/x"], "json", {"a": {"b": 1}})
    change = edit("{}", file, THERE, "f")
    assert json.loads(taken_back('{"z": 1}', "json", "f", change.entries, change.made).text) == {"z": 1}


def test_true_is_not_taken_for_one():
    file = ConfigFile(["~/x"], "json", {"a": True})
    assert json.loads(edit('{"a": 1}', file, THERE, "f").text) == {"a": True}


def test_an_edit_that_touches_the_rest_is_refused(monkeypatch):
    file = ConfigFile(["~/x"], "json", {"a": 1})
    real = module.opened

    def losing(text, file_format, name):
        return real(text.replace('"mine": 2,', ""), file_format, name)

    change = edit('{"mine": 2, "b": 3}', file, THERE, "f")
    assert "mine" in change.text
    calls = []

    def second(text, file_format, name):
        calls.append(text)
        return (losing if len(calls) > 1 else real)(text, file_format, name)

    monkeypatch.setattr(module, "opened", second)
    with pytest.raises(NotEditable, match="without touching the rest"):
        edit('{"mine": 2, "b": 3}', file, THERE, "f")
