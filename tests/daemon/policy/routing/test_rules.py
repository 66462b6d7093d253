from innkeepd.config.schema import CODING, REASONING
from innkeepd.policy.routing.rules import SEEDS, Rules, added_up


def test_the_seeds_are_the_keywords_of_the_default_configuration():
    assert {*CODING, *REASONING} == SEEDS


def test_a_users_own_keyword_is_louder_than_a_seed():
    found = Rules({"coding": ["code", "zebra"]}).evidence("zebra code")
    assert [(one.label, one.own) for one in found] == [("zebra (keyword)", True), ("code (keyword)", False)]
    assert found[0].weight > found[1].weight


def test_further_evidence_counts_less_and_code_takes_from_reasoning():
    rules = Rules({})
    one, two = (added_up(rules.evidence(text)) for text in ("python", "python javascript"))
    assert one["coding"] < two["coding"] < 2 * one["coding"]
    assert added_up(rules.evidence("prove python"))["reasoning"] < added_up(rules.evidence("prove"))["reasoning"]
