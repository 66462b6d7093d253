from pathlib import Path

from innkeep.cli import reference

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_page_of_commands_is_what_the_parsers_say():
    assert reference.page() == PAGE.read_text(encoding="utf-8"), "run: python -m innkeep.cli.reference > docs/cli.md"


def test_optional_words_are_in_brackets():
    assert "| `innkeep unload [MODEL]` |" in reference.page()
    assert "| `innkeep route [TEXT...]` |" in reference.page()
