from innkeep.cli.tree import commands
from innkeep.cli.verbs import VERBS


def test_the_tree_has_every_verb_in_order_with_json_everywhere():
    tree = list(commands())
    assert [command.name for command in tree] == list(VERBS)
    assert all(any("--json" in one.flags for one in command.arguments) for command in tree)


def test_an_argument_tells_its_value_choices_and_number():
    ask = {one.flags or one.value: one for command in commands() if command.name == "ask" for one in command.arguments}
    assert (ask["TEXT"].many, ask["TEXT"].optional) == (True, True)
    assert ask["-r", "--role"].choices == ("coding", "reasoning", "general")
    assert (ask["--fallback",].many, ask["--last",].value) == (True, "")


def test_delegated_verbs_know_only_their_first_words():
    (config,) = (command for command in commands() if command.name == "config")
    assert (config.delegated, config.arguments[0].choices) == (True, ("check", "path", "show"))
