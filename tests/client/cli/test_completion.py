import json

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_without_a_daemon(innkeep, shell):
    ended = innkeep("completion", shell)
    assert (ended.status, ended.err) == (0, "")
    assert f"# {shell} completion for innkeep" in ended.out
    assert json.loads(innkeep("completion", shell, "--json").out) == {"shell": shell, "script": ended.out}


def test_an_unknown_shell_is_a_usage_error(innkeep):
    ended = innkeep("completion", "tcsh")
    assert (ended.status, "tcsh" in ended.err) == (2, True)
