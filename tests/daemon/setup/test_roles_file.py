import tomllib

import pytest

from innkeepd.errors import DaemonError
from innkeepd.policy.role_choice import Chosen
from innkeepd.setup.roles_file import merge

ROLES = {"coding": Chosen("a:1", ("b:1",), ("a:1: made for code",)), "general": Chosen("b:1", (), ("b:1: small",))}
PRINTED = """\
[roles.coding]
# init: a:1: made for code
primary = "a:1"
fallbacks = ["b:1"]

[roles.general]
# init: b:1: small
primary = "b:1"
fallbacks = []
"""


def test_an_empty_file_gets_them():
    assert merge("", ROLES) == PRINTED


def test_the_same_again_changes_nothing():
    assert merge(PRINTED, ROLES) == PRINTED


def test_other_tables_keys_and_comments_stay():
    before = (
        '# mine\n[roles.coding]\n# init: old: reason\nprimary = "old" # good\nkeywords = ["x"]\n\n[http]\nport = 1\n'
    )
    after = merge(before, ROLES)
    assert "# mine" in after
    assert "old: reason" not in after
    assert 'primary = "a:1" # good' in after
    assert tomllib.loads(after)["roles"]["coding"] == {"primary": "a:1", "fallbacks": ["b:1"], "keywords": ["x"]}
    assert tomllib.loads(after)["http"] == {"port": 1}
    assert merge(after, ROLES) == after


@pytest.mark.parametrize("before", ['roles.coding.primary = "x"\n', '[roles]\ncoding = {primary = "x"}\n'])
def test_other_spellings_of_a_table_are_filled_too(before):
    assert tomllib.loads(merge(before, ROLES))["roles"]["coding"] == {"primary": "a:1", "fallbacks": ["b:1"]}


def test_what_is_no_toml_is_said():
    with pytest.raises(DaemonError, match=r"config\.toml can't be merged into"):
        merge("[", ROLES)
