"""The options that ``ask`` and ``chat`` share."""

import json
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from pathlib import Path
from typing import Any

from innkeep.cli.arguments import PRIORITIES, add_role, duration_argument, model_name
from innkeep.language import _


def add_chat_arguments(parser: ArgumentParser) -> None:
    """Who answers, how urgent it is, and whether it may think."""
    add_role(parser, _("ask this role's models (default: what the prompt looks like)"))
    parser.add_argument("-m", "--model", metavar="MODEL", type=model_name, help=_("ask this model and no other"))
    parser.add_argument(
        "--fallback",
        metavar="MODEL",
        type=model_name,
        action="append",
        dest="fallbacks",
        help=_("with --model: the next to try; may be given again"),
    )
    parser.add_argument("--system", metavar="TEXT", help=_("instructions before the conversation"))
    parser.add_argument("--session", metavar="NAME", help=_("turns of one session keep their model in memory"))
    parser.add_argument(
        "--priority", choices=PRIORITIES, default="interactive", help=_("queue priority (default: interactive)")
    )
    parser.add_argument(
        "--patience",
        metavar="DURATION",
        type=duration_argument,
        help=_("wait up to DURATION for the best model before using a smaller loaded one"),
    )
    parser.add_argument(
        "--deadline", metavar="DURATION", type=duration_argument, help=_("the whole answer must be there by then")
    )
    parser.add_argument(
        "--think", action=BooleanOptionalAction, help=_("let the model think first and show it, or not")
    )
    parser.add_argument(
        "-o",
        "--option",
        metavar="KEY=VALUE",
        type=model_option,
        action="append",
        default=[],
        dest="options",
        help=_("an option of the model, temperature=0.2 for instance; may be given again"),
    )
    parser.add_argument(
        "--format", metavar="json|SCHEMA", type=answer_format, help=_("answer in JSON, or in the JSON schema of a file")
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "-v", "--verbose", action="store_true", help=_("keep a line on standard error for the route and each step")
    )
    output.add_argument("-q", "--quiet", action="store_true", help=_("print the answer and errors alone"))


def model_option(text: str) -> tuple[str, Any]:
    """``temperature=0.2``: the key, and the value as JSON where it is some, else as text."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ArgumentTypeError(_("{text!r} is not KEY=VALUE; temperature=0.2 for instance", text=text))
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value


def answer_format(text: str) -> str | dict[str, Any]:
    """``json``, a JSON schema, or the name of a file that holds one."""
    if text == "json":
        return text
    try:
        content = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8")
        schema = json.loads(content)
    except OSError as error:
        raise ArgumentTypeError(
            _("{text}: {strerror}; use json, a schema, or a file that holds one", text=text, strerror=error.strerror)
        ) from None
    except ValueError as error:
        raise ArgumentTypeError(_("the schema is not JSON: {error}", error=error)) from None
    if not isinstance(schema, dict):
        raise ArgumentTypeError(_("a JSON schema is an object"))
    return schema
