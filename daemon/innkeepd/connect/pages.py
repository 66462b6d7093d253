"""The pages about clients, made from the table: ``python -m innkeepd.connect.pages DOCS [RESULTS]``.

``DOCS/howto/NAME.md`` for each client, ``DOCS/howto/context.md`` (what fits a small context), ``DOCS/clients.md`` (all
of them, with the results of `make test-clients`). Texts around the tables are in ``prose/``.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from innkeepd.clients.table import CONTEXT, Client, Installation, clients
from innkeepd.connect import show

MADE = "<!-- Made from daemon/innkeepd/clients/data/ by `python -m innkeepd.connect.pages docs`; edit those. -->"
SCENARIOS = {
    "list": "lists the models",
    "chat": "a streamed answer",
    "tools": "a tool is called, and its result goes back",
    "long": "a prompt of several thousand tokens",
    "overflow": "a prompt that is too long for every model",
    "cancel": "the client is ended in mid-answer",
    "load": "a cold heavy model is loaded while the client waits",
    "fallback": "the first model does not load",
    "errands": "titles, tags, commit messages",
}
"""What `make test-clients` tries, in the order of the table."""

Results = Mapping[str, Any]


def pages(results: Results | None) -> dict[str, str]:
    """Path below ``docs/`` -> text, of every page."""
    found = {f"howto/{name}.md": "\n".join(_howto(client)) for name, client in clients().items()}
    found["howto/context.md"] = _prose("context", table="\n".join(_context(clients().values())))
    found["clients.md"] = _prose("clients", table="\n".join(_overview(clients())))
    if results:
        told = {key: value for key, value in results.items() if key != "clients"}
        found["clients.md"] += "\n" + _prose("results", **told) + "\n".join(_results(results)) + "\n"
    return found


def _howto(client: Client) -> Iterator[str]:
    here = Installation()
    yield f"# {client.title}\n"
    yield f"{MADE}\n"
    yield f"{client.summary} It speaks {client.api}.\n"
    if client.install:
        yield _fenced("sh", "\n".join(client.install))
    if client.files:
        yield "```sh"
        yield f"innkeep connect {client.name} --write    # merges the block below into its file; a backup is kept"
        yield f"innkeep connect {client.name} --undo     # the file as it was"
        yield "```\n"
    else:
        yield f"`innkeep connect {client.name}` prints this for your port, token and contexts:\n"
    for number, file in enumerate(client.files):
        yield f"`{_usual(file.places)}`:\n"
        yield _fenced(f"{file.format} {_usual(file.places)}", show.spelled(file, here).rstrip())
        if number == len(client.files) - 1 and file.with_token:
            yield "With `[http] token` set, the token is added.\n"
    for language, head, text in show.blocks(client, here, {number: "" for number, _ in enumerate(client.files)}):
        if head in ("in the shell", "once"):
            yield _fenced(language, text.rstrip())
    if client.start:
        yield "Then:\n"
        yield _fenced("sh", "\n".join(client.start))
    yield from (f"- {note}" for note in client.notes)
    if client.prompt is not None:
        yield f"- Before your first word it sends {_prompt(client)}: see [what fits a small context](context.md)."
    if client.more:
        yield client.more.rstrip()
    yield f"\nTried: {client.tried.replace('docs/clients.md', '[the table of clients](../clients.md)')}\n"


def _context(every: Iterable[Client]) -> Iterator[str]:
    yield "| agent | sent first | tools | tokens | left of 16,384 | what to switch off |"
    yield "|---|---|---|---|---|---|"
    sizes = [(client, client.prompt) for client in every if client.prompt is not None]
    for client, prompt in sorted(sizes, key=lambda one: one[1].bytes):
        left = CONTEXT - prompt.tokens
        smaller = f" ({prompt.smaller:,} tokens then)" if prompt.smaller else ""
        most = "" if prompt.counted else "at most "
        yield (
            f"| [{client.title}]({client.name}.md) | {prompt.bytes / 1000:.1f} KB | {prompt.tools or '-'} | "
            f"{most}{prompt.tokens:,} | {f'{left:,}' if left > 0 else '**nothing**'} | {prompt.off or '-'}{smaller} |"
        )


def _overview(every: Mapping[str, Client]) -> Iterator[str]:
    yield "| client | `innkeep connect` | speaks | its file |"
    yield "|---|---|---|---|"
    for name, client in every.items():
        where = "<br>".join(f"`{_usual(file.places)}`" for file in client.files) or "variables of the shell"
        if client.commands:
            where = "its own command"
        yield f"| [{client.title}](howto/{name}.md) | `{name}` | {client.api} | {where} |"


def _results(results: Results) -> Iterator[str]:
    scenarios = [name for name in SCENARIOS if any(name in one["runs"] for one in results["clients"])]
    yield f"| client | version | {' | '.join(scenarios)} |"
    yield f"|---|---|{'---|' * len(scenarios)}"
    for one in results["clients"]:
        cells = [_cell(one["runs"].get(name, {})) for name in scenarios]
        yield f"| {one['title']} | {one['version']} | {' | '.join(cells)} |"
    yield ""
    yield from (f"- **{name}**: {SCENARIOS[name]}." for name in scenarios)
    notes = [note for one in results["clients"] for note in _notes(one)]
    if notes:
        yield "\nWhat was seen:\n"
        yield from notes


def _prose(name: str, **values: object) -> str:
    """A text of ``prose/`` with its ``@values@``, and under its first heading how it was made."""
    text = (files("innkeepd.connect") / "prose" / f"{name}.md").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    head, mark, rest = text.partition("\n")
    return f"{head}\n\n{MADE}\n{rest}" if mark and head.startswith("# ") else text


def _cell(runs: Mapping[str, Any]) -> str:
    signs = {"works": "w", "fails": "F", "not": "n"}
    found = {backend: signs[run["outcome"]] for backend, run in runs.items()}
    if not found:
        return "-"
    if len(set(found.values())) == 1 and len(found) == 2:
        return f"{next(iter(found.values()))} S R"
    return ", ".join(f"{sign} {backend}" for backend, sign in found.items())


def _notes(one: Mapping[str, Any]) -> Iterator[str]:
    said: dict[str, list[str]] = {}
    for scenario, runs in one["runs"].items():
        for backend, run in runs.items():
            if run.get("note") and (run["outcome"] != "works" or scenario in ("overflow", "errands")):
                said.setdefault(run["note"], []).append(f"{scenario} {backend}")
    for note, where in said.items():
        yield f"- {one['title']}, {', '.join(where)}: {note}"


def _prompt(client: Client) -> str:
    assert client.prompt is not None  # noqa: S101 - the caller looked
    tools = f" with {client.prompt.tools} tools" if client.prompt.tools not in ("", "none") else ""
    return f"{client.prompt.bytes / 1000:.1f} KB{tools}, about {client.prompt.tokens:,} tokens"


def _usual(places: Sequence[str]) -> str:
    """The place without a variable of its own and for any system."""
    return next(place for place in places if place.startswith("~"))


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not 1 <= len(words) <= 2:
        sys.stderr.write("usage: python -m innkeepd.connect.pages DOCS [RESULTS]\n")
        return 2
    folder = Path(words[0])
    file = Path(words[1]) if len(words) == 2 else folder.parent / "tests" / "agents" / "results.json"
    results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    for name, text in pages(results).items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
