"""``innkeepd connect CLIENT`` (and ``innkeep connect CLIENT``, which hands over to it).

Exit status: 0 done, 1 a fault (one line on stderr says what, where, what to do), 2 wrong usage. The configuration goes
to stdout, what a person should know to stderr.
"""

import argparse
import difflib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from innkeep import paths
from innkeepd.arguments import Parser
from innkeepd.clients.scan import Sighting, look
from innkeepd.clients.table import Client, clients, place_of
from innkeepd.config.address import OLLAMA_PORT
from innkeepd.connect import merge, show
from innkeepd.connect.installation import Found, find
from innkeepd.connect.merge import Outcome, Person
from innkeepd.errors import DaemonError

EPILOG = """\
examples:
  innkeep connect --list                  the clients, and which of them ask Ollama directly
  innkeep connect claude-code             what Claude Code needs, to look at
  innkeep connect claude-code --write     the same, merged into its settings (a backup is kept)
  innkeep connect claude-code --undo      its settings as they were
  innkeep connect aider --url http://192.168.1.20:11435
"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None, platform: str = "") -> int:
    """Run the verb; the exit status."""
    args = parser().parse_args(argv)
    env = os.environ if environ is None else environ
    user_home = Path(env.get("HOME") or Path.home())
    person = Person(env, user_home, platform or sys.platform, paths.home(env).absolute())
    try:
        if args.list or args.client is None:
            return _list(args, person)
        client = _named(args.client)
        if args.undo:
            return _report(args, client, merge.undo(client, person), "put back as it was", "removed")
        found = find(args.config, env, args.url)
        return _write(args, client, found, person) if args.write else _show(args, client, found, person)
    except DaemonError as fault:
        if args.json:
            print(json.dumps({"type": "error", "message": str(fault)}, ensure_ascii=False))  # noqa: T201
        sys.stderr.write(f"innkeepd: {fault}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> Parser:
    """The options."""
    root = Parser(
        prog="innkeep connect",
        description="Configure another program so that it asks innkeep for models.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("client", nargs="?", metavar="CLIENT", help=f"one of {', '.join(clients())}")
    action = root.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="merge into the client's own files (a backup is kept)")
    action.add_argument("--undo", action="store_true", help="put those files back as they were")
    action.add_argument("--list", action="store_true", help="list the clients and what they are configured for")
    root.add_argument("--url", type=_url, metavar="URL", help="innkeep's HTTP port, if the client reaches it elsewhere")
    root.add_argument("--config", type=Path, metavar="FILE", help="innkeep's config.toml")
    root.add_argument("--json", action="store_true", help="print one JSON object on one line")
    return root


def _named(name: str) -> Client:
    table = clients()
    if name in table:
        return table[name]
    close = difflib.get_close_matches(name, table, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(table)}"
    raise DaemonError(f"no client {name!r}; {hint}")


def _show(args: argparse.Namespace, client: Client, found: Found, person: Person) -> int:
    there = found.installation
    places = _places(client, person)
    if args.json:
        shown = {
            "client": client.name,
            "url": there.url,
            "contexts": there.contexts,
            "files": [
                {"file": places[number], "format": file.format, "content": show.content(file, there)}
                for number, file in enumerate(client.files)
            ],
            "environment": show.environment(client, there),
            "commands": show.commands(client, there),
        }
        sys.stdout.write(json.dumps(shown, ensure_ascii=False) + "\n")
    else:
        parts = [f"# {head}\n{text}" for _, head, text in show.blocks(client, there, places)]
        sys.stdout.write("\n".join(parts))
    _tell(found.notes)
    if client.files:
        _tell([f"`innkeep connect {client.name} --write` merges this into {' and '.join(places.values())}"])
    if there.token:
        _tell(["this holds the token of [http]"])
    return 0


def _write(args: argparse.Namespace, client: Client, found: Found, person: Person) -> int:
    if not client.files:
        raise DaemonError(
            f"{client.title} has no file that could be written; `innkeep connect {client.name}` prints what to set"
        )
    _tell(found.notes)
    return _report(args, client, merge.write(client, found.installation, person), "written", "removed")


def _report(args: argparse.Namespace, client: Client, outcomes: Sequence[Outcome], done: str, gone: str) -> int:
    if args.json:
        files = [
            {
                "file": str(one.file),
                "changed": one.changed,
                "backup": None if one.backup is None else str(one.backup),
                "notes": one.notes,
            }
            for one in outcomes
        ]
        sys.stdout.write(json.dumps({"client": client.name, "files": files}, ensure_ascii=False) + "\n")
        return 0
    for one in outcomes:
        what = (gone if one.removed else done) if one.changed else "nothing to change"
        kept = f" (as it was: {one.backup.name})" if one.backup is not None else ""
        sys.stdout.write(f"{one.file}: {what}{kept}\n")
        _tell([f"{one.file.name}: {note}" for note in one.notes])
    return 0


def _list(args: argparse.Namespace, person: Person) -> int:
    try:
        there = find(args.config, person.environ, args.url).installation
        ours = urlsplit(there.url).port or 0
    except DaemonError as fault:
        _tell([str(fault)])
        ours = 0
    rows = []
    for seen in look(person.environ, person.user_home, person.platform, (OLLAMA_PORT, ours)):
        client = clients()[seen.client]
        state = _state(seen, ours)
        rows.append({"client": seen.client, "title": client.title, "state": state, "api": client.api}
                    | {"files": list(_places(client, person).values())})  # fmt: skip
    if args.json:
        sys.stdout.write(json.dumps({"clients": rows}, ensure_ascii=False) + "\n")
        return 0
    width = max(len(str(row["client"])) for row in rows)
    for row in rows:
        sys.stdout.write(f"{row['client']:<{width}}  {row['state']:<24}  {row['title']}\n")
    return 0


def _state(seen: Sighting, ours: int) -> str:
    """In a few words what a client is configured for."""
    if ours and seen.naming[ours]:
        return "asks innkeep"
    if seen.naming[OLLAMA_PORT]:
        return "asks Ollama directly"
    return "installed" if seen.is_installed or seen.files else "-"


def _places(client: Client, person: Person) -> dict[int, str]:
    return {
        number: str(place_of(file, person.environ, person.user_home, person.platform))
        for number, file in enumerate(client.files)
    }


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.path.strip("/"):
        raise argparse.ArgumentTypeError(f"expected an address like http://127.0.0.1:11435, got {text!r}")
    return text.rstrip("/")


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        sys.stderr.write(f"note: {note}\n")
