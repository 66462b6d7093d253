"""``innkeepd config check|path|show``."""

import json
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from innkeep.language import _, translated
from innkeepd.arguments import Parser
from innkeepd.config.load import check, find, load
from innkeepd.config.show import show
from innkeepd.errors import EX_CONFIG, ConfigError


def main(argv: Sequence[str]) -> int:
    """Answer; returns the exit status: 0, or 78 for a wrong configuration."""
    parser = Parser(prog="innkeepd config", description=_("Check the configuration, show it, or print its path."))
    parser.add_argument("what", choices=["check", "path", "show"])
    parser.add_argument("--config", type=Path, help=_("the file, instead of $INNKEEP_CONFIG or ~/.innkeep/config.toml"))
    parser.add_argument("--json", action="store_true", help=_("print one JSON object a line"))
    args = parser.parse_args(argv)
    try:
        if args.what == "path":
            name = str(find(args.config, os.environ)[0])
            _print({"path": name} if args.json else name)
        elif args.what == "show":
            text = show(load(args.config, os.environ))
            _print({"config": tomllib.loads(text)} if args.json else text)
        else:
            text = check(args.config, os.environ)
            _print({"ok": True, "message": text} if args.json else text)
    except ConfigError as error:
        if args.json:
            _print({"type": "error", "code": "bad_config", "message": str(error), "retryable": False})
        print(_("innkeepd: {error}", error=translated(str(error))), file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    return 0


def _print(answer: str | dict[str, Any]) -> None:
    print(translated(answer) if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, default=str))  # noqa: T201
