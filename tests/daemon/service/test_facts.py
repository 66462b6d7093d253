from innkeepd.service.facts import Program
from support.doctor import facts_of


def test_a_program_is_known_by_number_and_name_only():
    assert Program.__struct_fields__ == ("pid", "name"), "arguments may hold secrets"


def test_what_was_not_looked_for_is_not_known():
    facts = facts_of()
    assert (facts.rival, facts.http_holder, facts.port_11434) == (None, None, None)
