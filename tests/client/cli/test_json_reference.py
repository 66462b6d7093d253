from pathlib import Path

from innkeep.cli.json_reference import OWN, PRINTED, page
from innkeep.cli.verbs import VERBS

PAGE = Path(__file__).parents[3] / "docs" / "json.md"


def test_the_page_of_json_is_what_the_structs_say():
    assert page() == PAGE.read_text(encoding="utf-8"), "run: python -m innkeep.cli.json_reference > docs/json.md"


def test_every_verb_says_what_it_prints_as_json():
    assert {*PRINTED, *OWN} == set(VERBS)
    assert not PRINTED.keys() & OWN.keys()
