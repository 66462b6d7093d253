"""``innkeepd classify FILE.jsonl``: print the role of each prompt. Needs no daemon; for evaluation and bulk use."""

import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from innkeepd.arguments import Parser
from innkeepd.chat.router import router_of
from innkeepd.config.load import load
from innkeepd.errors import EX_CONFIG, ConfigError
from innkeepd.policy.routing.router import Router

EXAMPLES = """examples:
  innkeepd classify prompts.jsonl > roles.jsonl
  echo '{"id": 1, "text": "why is the sky blue?"}' | innkeepd classify -

a line in:  {"id": ..., "text": "..."}      other fields are ignored
a line out: {"id": ..., "role": "coding", "confidence": 0.97}

exit status: 0 every line was classified, 1 some were not (each is named on stderr), 2 wrong usage"""


class Prompt(Struct):
    """A line in."""

    id: str | int
    text: str


class Answer(Struct):
    """A line out."""

    id: str | int
    role: str
    confidence: float


_DECODE = msgspec.json.Decoder(Prompt).decode
_ENCODE = msgspec.json.Encoder().encode


def main(argv: Sequence[str]) -> int:
    """Classify a file's lines; returns the exit status."""
    parser = Parser(
        prog="innkeepd classify",
        description="Print the role of each prompt, as the router decides it that innkeep ships: with your keywords, "
        "without what `innkeep routing train` fitted to your feedback. Needs no daemon.",
        epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="JSON lines; - reads from stdin")
    parser.add_argument(
        "--config", type=Path, help="the configuration, instead of $INNKEEP_CONFIG or ~/.innkeep/config.toml"
    )
    args = parser.parse_args(argv)
    try:
        router = router_of(load(args.config, os.environ))
    except ConfigError as error:
        print(f"innkeepd: {error}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    with ExitStack() as stack:
        try:
            lines = sys.stdin.buffer if args.file == "-" else stack.enter_context(Path(args.file).open("rb"))
            return classify(router, lines, sys.stdout.buffer, args.file)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            parser.error(f"{args.file} cannot be read: {error.strerror or error}")


def classify(router: Router, lines: Iterable[bytes], out: IO[bytes], name: str) -> int:
    """Write an answer for each line of ``lines``; report a bad line on stderr and skip it. Returns 1 if any was bad."""
    status = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            prompt = _DECODE(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            print(f'innkeepd: {name}, line {number}: {error}; a line is {{"id": ..., "text": ...}}', file=sys.stderr)  # noqa: T201
            status = 1
            continue
        route = router.route(prompt.text)
        out.write(_ENCODE(Answer(prompt.id, route.role, route.confidence)) + b"\n")
    out.flush()
    return status
