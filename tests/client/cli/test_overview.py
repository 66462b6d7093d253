from innkeep.cli.overview import exit_statuses, overview, version_line
from innkeep.cli.verbs import VERBS


def test_the_overview_names_every_verb_and_every_exit_status():
    text = overview()
    assert all(f"  {verb:<11} {line}" in text for verb, line in VERBS.items())
    assert text.endswith(exit_statuses())
    assert max(map(len, text.splitlines())) <= 80


def test_the_version_names_the_protocol():
    assert version_line().startswith("innkeep ")
    assert version_line().endswith("(protocol 1)")
