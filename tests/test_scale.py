"""What the page on several machines tells people to write is a configuration that innkeep takes."""

import re
from pathlib import Path

import pytest

from innkeepd.config.load import load

PAGE = (Path(__file__).parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=[re.search(r'name = "(.*?)"', each)[1] for each in SNIPPETS])
def test_each_snippet_is_read_and_its_candidates_go_to_its_backend(snippet, tmp_path):
    for name in re.findall(r'token_file = "(.*?)"', snippet):
        (tmp_path / name).write_text("sk-of-the-page\n")
    file = tmp_path / "config.toml"
    file.write_text(snippet)
    config = load(file, {})
    (backend,) = config.backends
    named = [name for role in config.roles.values() for name in role.chain if name.startswith(f"{backend.name}/")]
    assert backend.models
    assert {name.partition("/")[2] for name in named} <= set(backend.models)
    assert "sk-of-the-page" not in repr(config)


def test_the_page_shows_every_kind_of_engine():
    assert len(SNIPPETS) == 4
