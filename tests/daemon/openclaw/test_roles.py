import tomllib

import pytest

from innkeepd.errors import DaemonError
from innkeepd.openclaw.chains import Chain
from innkeepd.openclaw.roles import merge, spell, write

ROLES = {
    "general": Chain("llama3.3:latest", None, "agents.defaults.model"),
    "coding": Chain("big:1", ("small:1",), "agents.profiles.coder.model"),
}
PRINTED = """\
[roles.coding] # from agents.profiles.coder.model
primary = "big:1"
fallbacks = ["small:1"]

[roles.general] # from agents.defaults.model
primary = "llama3.3:latest"
"""


def test_chains_are_spelled_in_the_order_of_our_roles():
    assert spell(ROLES) == PRINTED


def test_an_empty_file_gets_them_as_printed():
    assert merge("", ROLES) == PRINTED


def test_a_file_without_roles_gets_them_at_its_end():
    assert f'# mine\n[memory]\nreserve = "5GiB"\n\n{PRINTED}' == merge('# mine\n[memory]\nreserve = "5GiB"\n', ROLES)


def test_comments_keywords_and_other_tables_stay():
    before = '[roles.coding]  # mine\nprimary = "old" # was good\nkeywords = ["a"]\n\n[memory]\nreserve = "5GiB"\n'
    assert merge(before, ROLES) == (
        '[roles.coding]  # mine\nprimary = "big:1" # was good\nkeywords = ["a"]\nfallbacks = ["small:1"]\n\n'
        '[roles.general]\nprimary = "llama3.3:latest"\n\n[memory]\nreserve = "5GiB"\n'
    )


@pytest.mark.parametrize("before", ['roles.coding.primary = "x"\n', '[roles]\ncoding = {primary = "x"}\n'])
def test_other_spellings_of_a_table_are_filled_too(before):
    assert tomllib.loads(merge(before, ROLES))["roles"] == {
        "coding": {"primary": "big:1", "fallbacks": ["small:1"]},
        "general": {"primary": "llama3.3:latest"},
    }


def test_what_is_no_toml_is_said():
    with pytest.raises(DaemonError, match=r"config\.toml can't be merged into"):
        merge("[", ROLES)


def test_writing_keeps_a_copy_and_twice_is_once(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("# mine\n")
    assert (tmp_path / "config.toml.bak", True) == write(file, ROLES, {})
    assert (tmp_path / "config.toml.bak").read_text() == "# mine\n"
    assert write(file, ROLES, {}) == (None, False)


def test_a_new_file_and_its_folder_are_private(tmp_path):
    file = tmp_path / "home" / "config.toml"
    assert write(file, ROLES, {}) == (None, True)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_file_that_would_be_wrong_is_left_as_it_was(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("[[backends]]\nname = 'ray'\nurl = 'http://r/'\nmodels = ['other']\n")
    with pytest.raises(DaemonError, match=r"left as it was.*roles\.coding: backend ray has no big") as caught:
        write(file, {"coding": Chain("ray/big", (), "x")}, {})
    assert ".config." not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_a_folder_that_is_none_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DaemonError, match="can't be written"):
        write(tmp_path / "file" / "config.toml", ROLES, {})
