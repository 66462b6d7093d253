"""``innkeepd openclaw VERB`` (and ``innkeep openclaw VERB``, which hands over to it).

Exit status: 0 done, 1 a fault (one line on stderr says what, where, what to do), 2 wrong usage. What a program may
want (TOML, JSON) goes to stdout, what a person should know to stderr.
"""

import argparse
import json
import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from innkeep.language import _, later
from innkeepd.arguments import Parser
from innkeepd.config import load as config_file
from innkeepd.config.schema import Config, default_roles
from innkeepd.errors import DaemonError
from innkeepd.openclaw import document, provider, roles
from innkeepd.openclaw.chains import Chain, take

EPILOG = later("""\
examples:
  innkeep openclaw import ~/.openclaw/openclaw.json           its model chains as [roles.*], to look at
  innkeep openclaw import ~/.openclaw/openclaw.json --write   the same, merged into config.toml
  innkeep openclaw export                                     what points OpenClaw at innkeep, to look at
  innkeep openclaw export --write                             the same, merged into OpenClaw's configuration
  innkeep openclaw export --container | openclaw config patch --stdin
""")


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one verb; the exit status."""
    wanted = parser().parse_args(argv)
    env = os.environ if environ is None else environ
    try:
        return _import(wanted, env) if wanted.verb == "import" else _export(wanted, env)
    except DaemonError as fault:
        sys.stderr.write(_("innkeepd: {fault}\n", fault=fault))
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> Parser:
    """The verbs and their options."""
    root = Parser(
        prog="innkeep openclaw",
        description=_("Connect OpenClaw to innkeep: take its model chains over, and let it ask innkeep for models."),
        epilog=_(EPILOG),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")
    taking = verbs.add_parser("import", help=_("turn OpenClaw's model chains into roles of innkeep"))
    taking.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help=_("OpenClaw's configuration, - for stdin (its usual place)")
    )
    taking.add_argument("--write", action="store_true", help=_("merge into config.toml (a backup is kept)"))
    giving = verbs.add_parser("export", help=_("point OpenClaw at innkeep"))
    giving.add_argument(
        "--write", nargs="?", type=Path, const=Path(), metavar="FILE",
        help=_("merge into OpenClaw's configuration (a backup is kept); without FILE into its usual place"),
    )  # fmt: skip
    giving.add_argument(
        "--container",
        action="store_true",
        help=_("for an OpenClaw in a container: through {CONTAINER_HOST}", CONTAINER_HOST=provider.CONTAINER_HOST),
    )
    giving.add_argument("--http", metavar="URL", help=_("innkeep's HTTP port, if not as config.toml has it"))
    giving.add_argument(
        "--context", type=_tokens, default=provider.CONTEXT, metavar="TOKENS",
        help=_("what OpenClaw may fill of a model's context ({CONTEXT})", CONTEXT=provider.CONTEXT),
    )  # fmt: skip
    for verb in (taking, giving):
        verb.add_argument("--config", type=Path, metavar="FILE", help=_("innkeep's config.toml"))
        verb.add_argument("--json", action="store_true", help=_("print one JSON object on one line"))
    return root


def _import(wanted: argparse.Namespace, env: Mapping[str, str]) -> int:
    found = document.read(wanted.file or document.usual_place(env))
    config = config_file.load(wanted.config, env)
    taken = take(found.content, frozenset(backend.name for backend in config.backends))
    for note in taken.notes:
        _tell(note)
    if not taken.roles:
        raise DaemonError(_("{path}: no model chain in it that could become a role", path=found.path or "stdin"))
    for name, chain in taken.roles.items():
        if chain.fallbacks is None:
            _tell(_silent(name, chain, config))
    if not wanted.write:
        text = roles.spell(taken.roles)
        sys.stdout.write(json.dumps(tomllib.loads(text), ensure_ascii=False) + "\n" if wanted.json else text)
        return 0
    file = config_file.find(wanted.config, env)[0]
    backup, changed = roles.write(file, taken.roles, env)
    kept = _(" (as it was: {name})", name=backup.name) if backup else ""
    if wanted.json:
        _print_json(file, backup, changed=changed)
    else:
        sys.stdout.write(f"{file}: {', '.join(taken.roles)} {f'written{kept}' if changed else 'were so already'}\n")
    if changed:
        _tell(_("a running daemon takes it up with `innkeep service restart`"))
    return 0


def _silent(name: str, chain: Chain, config: Config) -> str:
    """The fallbacks of a chain that names none: those configured here, else our defaults."""
    role = config.roles.get(name) or default_roles()[name]
    rest = ", ".join(one for one in role.fallbacks if one != chain.primary) or "none"
    return _(
        "{source}: names no fallbacks, so innkeep's stay ({rest}); fallbacks = [] in [roles.{name}] means none",
        source=chain.source,
        rest=rest,
        name=name,
    )


def _export(wanted: argparse.Namespace, env: Mapping[str, str]) -> int:
    config = config_file.load(wanted.config, env)
    way = provider.endpoint(config.http, wanted.http, container=wanted.container)
    ours = provider.block(way, wanted.context)
    if not config.http.enabled and wanted.http is None:
        _tell(_("[http] enabled is false in config.toml: OpenClaw will find nothing there"))
    if wanted.write is None:
        shown = provider.masked(ours) if config.http.token else ours
        if config.http.token:
            _tell(_("the token is masked here; --write puts it in"))
        sys.stdout.write(json.dumps(shown, ensure_ascii=False, indent=None if wanted.json else 2) + "\n")
        return 0
    path = document.usual_place(env) if wanted.write == Path() else wanted.write
    if str(path) == "-":
        raise DaemonError(_("--write needs a file; without it the block goes to standard output"))
    found = document.read(path) if path.exists() else document.Document(path, {})
    after, notes = provider.merge(found.content, ours)
    for note in notes:
        _tell(note)
    if after == found.content:
        if wanted.json:
            _print_json(path, None, changed=False)
        else:
            sys.stdout.write(_("{path}: points at {url} already\n", path=path, url=way.url))
        return 0
    backup = document.write(path, after)
    if found.has_comments and backup:
        _tell(
            _(
                "comments of {name} are in {name2} only: OpenClaw, too, rewrites the file without them",
                name=path.name,
                name2=backup.name,
            )
        )
    kept = _(" (as it was: {name})", name=backup.name) if backup else ""
    if wanted.json:
        _print_json(path, backup, changed=True)
    else:
        sys.stdout.write(
            _(
                "{path}: points at {url} now{kept}; `openclaw config validate` proves it\n",
                path=path,
                url=way.url,
                kept=kept,
            )
        )
    return 0


def _print_json(file: Path, backup: Path | None, *, changed: bool) -> None:
    """What was written, and where the file is kept as it was."""
    report = {"file": str(file), "changed": changed, "backup": None if backup is None else str(backup)}
    sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")


def _tokens(text: str) -> int:
    try:
        tokens = int(text)
    except ValueError:
        tokens = 0
    if tokens < 4096:
        raise argparse.ArgumentTypeError(_("expected a number of tokens, 4096 or more, got {text!r}", text=text))
    return tokens


def _tell(note: str) -> None:
    sys.stderr.write(_("note: {note}\n", note=note))
