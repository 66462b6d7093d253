from importlib import import_module

import pytest

from innkeep import wire
from innkeep.cli.arguments import PRIORITIES, ROLES
from innkeep.cli.verbs import DELEGATED, VERBS
from innkeep.cli.watch import KINDS


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in DELEGATED])
def test_every_verb_has_a_module_with_arguments_examples_and_a_run(verb):
    module = import_module(f"innkeep.cli.{verb}")
    assert callable(module.add_arguments)
    assert callable(module.run)
    assert all("innkeep" in example for example in module.EXAMPLES)


def test_delegated_verbs_are_listed_with_the_others():
    assert set(DELEGATED) <= set(VERBS)


def test_words_written_out_for_a_fast_start_are_those_of_the_wire():
    assert ROLES == wire.ROLES
    assert PRIORITIES == wire.PRIORITIES
    assert wire.EventKind.__args__ == KINDS
