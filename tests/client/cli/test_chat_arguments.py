import pytest

from innkeep.cli.answering import chat_settings
from innkeep.cli.arguments import Parser
from innkeep.cli.chat_arguments import add_chat_arguments


@pytest.fixture
def parser():
    parser = Parser(prog="innkeep ask")
    add_chat_arguments(parser)
    return parser


def test_without_options_the_daemon_decides(parser):
    assert chat_settings(parser.parse_args([])) == {
        "model": None,
        "fallbacks": None,
        "role": None,
        "think": None,
        "priority": "interactive",
        "patience": None,
        "deadline": None,
        "session": None,
    }


@pytest.mark.parametrize(("word", "think"), [("--think", True), ("--no-think", False)])
def test_thinking_is_asked_for_or_forbidden(parser, word, think):
    assert chat_settings(parser.parse_args([word]))["think"] is think
