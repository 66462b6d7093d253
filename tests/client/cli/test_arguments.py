import argparse

import pytest

from innkeep.cli import arguments
from innkeep.cli.outcome import UsageError


def test_a_model_may_carry_the_name_of_its_provider():
    assert arguments.model_name("ollama/qwen2.5-coder:32b") == "qwen2.5-coder:32b"
    with pytest.raises(argparse.ArgumentTypeError, match="empty"):
        arguments.model_name("ollama/")


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "²"])
def test_a_count_is_at_least_one(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be 1 or more"):
        arguments.positive_number(text)


def test_help_has_examples_and_exit_statuses(capsys):
    with pytest.raises(SystemExit) as leaving:
        arguments.parser_of("hold").parse_args(["--help"])
    told = capsys.readouterr().out
    assert leaving.value.code == 0
    assert "examples:\n  innkeep hold 30m\n" in told
    assert "exit status:\n  0    done\n" in told


def test_an_option_is_never_guessed_from_its_beginning():
    with pytest.raises(UsageError, match=r"see `innkeep hold --help`$"):
        arguments.parser_of("hold").parse_args(["5m", "--wh", "x"])
