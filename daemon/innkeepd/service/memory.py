"""``innkeepd memory``: the reading, the budget and the verdicts, of this machine or of a recording."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from innkeepd.arguments import Parser
from innkeepd.backends.backend import BackendFault
from innkeepd.backends.http import HttpClient
from innkeepd.backends.ollama import OllamaBackend
from innkeepd.config.derived import memory_policy
from innkeepd.config.load import load
from innkeepd.errors import EX_CONFIG, ConfigError
from innkeepd.machine.report import Seen, memory_report

ASK_WITHIN = 2.0
"""Seconds that Ollama has to tell what it holds; without it the report goes on with the sizes that we know."""


def main(argv: Sequence[str]) -> int:
    """Print the report; returns the exit status: 0, 2 for a bad recording, 78 for a wrong configuration."""
    parser = Parser(prog="innkeepd memory", description="What the memory holds, the budget, and which models fit.")
    parser.add_argument("--json", action="store_true", help="one JSON object; every quantity in bytes")
    parser.add_argument(
        "--from",
        dest="recording",
        type=Path,
        metavar="PATH",
        help="read a folder with vm_stat.txt and sysctl.txt, or a report of `innkeep doctor`, instead of this machine",
    )
    parser.add_argument(
        "--config", type=Path, help="the configuration, instead of $INNKEEP_CONFIG or ~/.innkeep/config.toml"
    )
    args = parser.parse_args(argv)
    try:
        config = load(args.config, os.environ)
    except ConfigError as error:
        print(f"innkeepd: {error}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    seen = None if args.recording else anyio.run(_ask, config.ollama.url)
    names = tuple(dict.fromkeys(name for role in config.roles.values() for name in role.chain))
    return memory_report(
        as_json=args.json, recording=args.recording, policy=memory_policy(config), candidates=names, seen=seen
    )


async def _ask(url: str) -> Seen | None:
    backend = OllamaBackend(HttpClient(url, connect_timeout=ASK_WITHIN))
    try:
        with anyio.fail_after(ASK_WITHIN):
            return Seen(await backend.pulled(), [(line.name, line.size) for line in await backend.running()])
    except (BackendFault, TimeoutError):
        return None
    finally:
        await backend.aclose()
