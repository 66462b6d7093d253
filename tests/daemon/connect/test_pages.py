import json
from pathlib import Path

import pytest

from innkeepd.connect.pages import MADE, main, pages

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "tests" / "agents" / "results.json"


@pytest.mark.parametrize("name", pages(None))
def test_the_pages_are_made_from_the_table_as_it_is(name):
    """If this fails: python -m innkeepd.connect.pages docs."""
    made = pages(json.loads(RESULTS.read_text()) if RESULTS.exists() else None)
    assert (ROOT / "docs" / name).read_text() == made[name]


def test_no_page_is_left_of_a_client_that_is_gone():
    assert {path.name for path in (ROOT / "docs" / "howto").glob("*.md") if MADE in path.read_text()} == {
        name.removeprefix("howto/") for name in pages(None) if name.startswith("howto/")
    }


def test_the_results_of_a_run_become_a_table(tmp_path):
    run = {"works": {"outcome": "works", "seconds": 1.0}, "fails": {"outcome": "fails", "note": "it hangs"}}
    results = {
        "date": "2026-11-25", "system": "Linux", "minutes": 3, "install_minutes": 2, "ollama": "0.33.0",
        "clients": [
            {"name": "pi", "title": "pi", "version": "1",
             "runs": {"chat": {"S": run["works"], "R": run["works"]},
                      "cancel": {"S": run["works"], "R": run["fails"]}}},
            {"name": "llm", "title": "llm", "version": "2", "runs": {"chat": {"S": run["fails"]}}},
        ],
    }  # fmt: skip
    text = pages(results)["clients.md"]
    assert "| pi | 1 | w S R | w S, F R |" in text
    assert "| llm | 2 | F S | - |" in text
    assert "- pi, cancel R: it hangs" in text
    (tmp_path / "howto").mkdir()
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results))
    assert main([str(tmp_path), str(file)]) == 0
    assert (tmp_path / "clients.md").read_text() == text
    assert main([str(tmp_path)]) == 0
    assert "Real clients" not in (tmp_path / "clients.md").read_text()


def test_wrong_words_are_told(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
