import pytest

from innkeep.cli.verbs import DELEGATED
from innkeepd.clients.documents import dotted, leaves
from innkeepd.clients.table import VIRTUAL, ConfigFile, Installation, Prompt, client_of, clients, filled, place_of

THERE = Installation("http://h:1", "secret", {"auto": 4, "coding": 8, "reasoning": 16, "general": 32})


def test_the_command_completes_every_client_of_the_table():
    assert sorted(clients()) == sorted(DELEGATED["connect"])


@pytest.mark.parametrize("client", clients().values(), ids=lambda one: one.name)
def test_everything_that_is_set_can_be_filled(client):
    values = [client.environment, client.environment_with_token, client.commands]
    for file in client.files:
        for tree in (file.values, file.defaults, file.with_token):
            found = list(leaves(filled(tree, THERE), file.match))
            assert len({dotted(path) for path, _ in found}) == len(found)
            values += [value for _, value in found]
    text = str([filled(value, THERE) for value in values])
    assert "$" not in text.replace("$schema", "")
    assert "#" not in text
    assert "http://h:1" in text
    assert client.files or client.environment or client.commands


def test_a_number_and_a_text_are_filled():
    texts = ["#coding", "#coding/4", "$v1", "$key at $url", "$auto $coding/4", "$unknown", True]
    found = [8, 2, "http://h:1/v1", "secret at http://h:1", "4 2", "$unknown", True]
    assert filled({"a": texts}, THERE) == {"a": found}
    assert filled("$key", Installation()) == "innkeep"
    assert list(Installation().contexts) == list(VIRTUAL)


def file_at(*places):
    return ConfigFile(list(places), "json", {})


def test_a_variable_of_the_client_wins_over_its_usual_place(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "usual").touch()
    file = file_at("$THERE/c.json", "~/usual")
    assert place_of(file, {"THERE": f"{tmp_path}/there"}, tmp_path, "linux") == tmp_path / "there" / "c.json"
    assert place_of(file, {"THERE": ""}, tmp_path, "linux") == tmp_path / "usual"


def test_the_file_that_exists_wins_over_the_first(tmp_path):
    file = file_at("~/a", "~/b")
    assert place_of(file, {}, tmp_path, "linux") == tmp_path / "a"
    (tmp_path / "b").touch()
    assert place_of(file, {}, tmp_path, "linux") == tmp_path / "b"


def test_a_place_of_one_system_counts_there_only(tmp_path):
    file = file_at("darwin:~/Library/a", "~/a")
    assert place_of(file, {}, tmp_path, "darwin") == tmp_path / "Library" / "a"
    assert place_of(file, {}, tmp_path, "linux") == tmp_path / "a"


def test_no_page_names_a_claim_without_a_test():
    for client in clients().values():
        assert client.tried
        assert client.summary.endswith(".")
        assert all(note[-1] in ".)" for note in client.notes), client.name


def test_the_tokens_of_a_prompt_are_counted_or_a_quarter_of_its_bytes():
    assert (Prompt(21).tokens, Prompt(21, counted=4).tokens) == (6, 4)


def test_a_process_is_known_by_its_name():
    assert (client_of("claude"), client_of("python3")) == ("claude-code", None)
