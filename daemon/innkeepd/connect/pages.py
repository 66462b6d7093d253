"""The pages about clients, made from the table: ``python -m innkeepd.connect.pages DOCS [RESULTS]``.

``DOCS/howto/NAME.md`` for each client, ``DOCS/howto/context.md`` (what fits a small context), ``DOCS/clients.md`` (all of
them, with the results of `make test-clients`).
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
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
    found["howto/context.md"] = "\n".join(_context(clients().values()))
    found["clients.md"] = "\n".join(_overview(clients(), results))
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
        yield _fenced(file.format, show.spelled(file, here).rstrip())
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


def _context(every: Sequence[Client] | Any) -> Iterator[str]:
    yield "# What fits a context of 16,384 tokens\n"
    yield f"{MADE}\n"
    yield (
        "A 32B on a 36 GB Mac has at most 16,384 tokens of context, prompt and answer together (`innkeep models` tells yours; "
        "[memory](../memory.md) has the sum). An agent sends its own instructions and the descriptions of its tools before your "
        "first word. What those take, and what is left:\n"
    )
    yield "| agent | sent first | tools | about tokens | left of 16,384 | what to switch off |"
    yield "|---|---|---|---|---|---|"
    for client in sorted((one for one in every if one.prompt), key=lambda one: one.prompt.bytes):
        prompt = client.prompt
        left = CONTEXT - prompt.tokens
        room = f"{left:,}" if left > 0 else "**nothing**"
        smaller = f" ({prompt.smaller:,} bytes then)" if prompt.smaller else ""
        yield (
            f"| [{client.title}]({client.name}.md) | {prompt.bytes / 1000:.1f} KB | {prompt.tools or '-'} | "
            f"{prompt.tokens:,} | {room} | {prompt.off or 'nothing needed'}{smaller} |"
        )
    yield (
        "\nBytes were measured at \"hello\" (a prompt's tokens are about its bytes through 4); your own instruction files "
        "(CLAUDE.md, AGENTS.md) and MCP servers come on top. So:\n"
    )
    yield "- **Fits well**: what leaves more than half: a conversation of some turns and files of some hundred lines."
    yield "- **Fits barely**: what leaves less: it compacts its conversation again and again, and each time the prompt is read anew."
    yield (
        "- **Does not fit**: what leaves nothing. innkeep then takes a candidate with a larger context where one fits, else it "
        "refuses with numbers that the client understands (`prompt is too long: 24000 tokens > 16384 maximum`)."
    )
    yield (
        "- `innkeep connect` writes each model's context into the client where that is possible, so that it compacts in time. "
        "Run it again after `[models.\"NAME\"] context` or the role's model has changed."
    )
    yield (
        "- More room: a smaller model has it (`[roles.coding] primary`; [how it decides](../decisions.md) has the table of what "
        "fits).\n"
    )


def _overview(every: Mapping[str, Client], results: Results | None) -> Iterator[str]:
    yield "# Clients\n"
    yield f"{MADE}\n"
    yield (
        "`innkeep connect NAME` prints what a client needs, `--write` merges it into its file, `--undo` puts the file back, "
        "`--list` tells which of them ask Ollama directly. What each page says comes from the same table.\n"
    )
    yield "| client | `innkeep connect` | speaks | its file |"
    yield "|---|---|---|---|"
    for name, client in every.items():
        where = "<br>".join(f"`{_usual(file.places)}`" for file in client.files) or "variables of the shell"
        if client.commands:
            where = "its own command"
        yield f"| [{client.title}](howto/{name}.md) | `{name}` | {client.api} | {where} |"
    yield "\n[What fits a small context](howto/context.md), [Node and TypeScript](howto/nodejs.md).\n"
    if results:
        yield from _results(results)


def _results(results: Results) -> Iterator[str]:
    yield "## Real clients, run\n"
    yield (
        f"`make test-clients` on {results['date']} ({results['system']}; {results['minutes']} minutes, the installations "
        f"{results['install_minutes']}): the clients unmodified, configured by `innkeep connect --write` in an empty home folder, "
        "no network but this machine's own. **S**: innkeepd before its simulator, **R**: before a real Ollama "
        f"{results['ollama']} with tiny models of random weights. `tests/agents/results.json` has each run.\n"
    )
    yield "w: works; F: fails, see below; n: the client has it not, or it was not tried, see below.\n"
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
    yield ""


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
            if run.get("note"):
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
