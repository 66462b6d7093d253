from innkeepd.service.facts import Finding, Program
from support.doctor import facts_of


def test_a_program_is_known_by_number_and_name_only():
    assert Program.__struct_fields__ == ("pid", "name"), "arguments may hold secrets"


def test_a_finding_that_is_well_needs_neither_reason_nor_cure():
    assert Finding("disk", "ok", "room enough") == Finding("disk", "ok", "room enough", "", "")


def test_what_was_not_looked_for_is_not_known():
    facts = facts_of()
    assert (facts.rival, facts.http_holder, facts.port_11434) == (None, None, None)
