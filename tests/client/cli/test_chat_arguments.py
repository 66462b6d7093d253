import re

import pytest

from innkeep.cli.answering import chat_settings
from innkeep.cli.arguments import Parser
from innkeep.cli.chat_arguments import add_chat_arguments
from innkeep.cli.outcome import UsageError


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
        "options": None,
        "format": None,
        "think": None,
        "priority": "interactive",
        "patience": None,
        "deadline": None,
        "session": None,
    }


@pytest.mark.parametrize(("word", "think"), [("--think", True), ("--no-think", False)])
def test_thinking_is_asked_for_or_forbidden(parser, word, think):
    assert chat_settings(parser.parse_args([word]))["think"] is think


def test_options_are_json_where_they_can_be(parser):
    args = parser.parse_args(["-o", "temperature=0.2", "-o", "stop=END", "-o", "seed=7"])
    assert chat_settings(args)["options"] == {"temperature": 0.2, "stop": "END", "seed": 7}


@pytest.mark.parametrize("word", ["temperature", "=3"])
def test_an_option_without_key_or_value_is_refused(parser, word):
    with pytest.raises(UsageError, match="is not KEY=VALUE"):
        parser.parse_args(["-o", word])


def test_a_format_is_json_a_schema_or_a_file_with_one(parser, tmp_path):
    file = tmp_path / "schema.json"
    file.write_text('{"type": "object"}')
    for word in (str(file), '{"type": "object"}'):
        assert parser.parse_args(["--format", word]).format == {"type": "object"}
    assert parser.parse_args(["--format", "json"]).format == "json"


@pytest.mark.parametrize(("word", "told"), [("nofile.json", "nofile.json: "), ("{", "not JSON"), ("[]", "[]: ")])
def test_another_format_is_refused(parser, word, told):
    with pytest.raises(UsageError, match=re.escape(told)):
        parser.parse_args(["--format", word])
