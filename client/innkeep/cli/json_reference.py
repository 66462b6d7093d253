"""``docs/json.md``, made from the Structs: ``python -m innkeep.cli.json_reference > docs/json.md``."""

import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from innkeep import wire
from innkeep.cli.verbs import DELEGATED, VERBS
from innkeep.framing import name_of

_INTRODUCTION = """\
# What `--json` prints

This page is made from the messages' own types (`python -m innkeep.cli.json_reference > docs/json.md`).

Every object is one line on standard output. Fields are only added, never changed: ignore those you don't know.
Quantities are bytes, durations seconds, instants seconds since 1970. What is meant for people goes to standard error.
A failure prints an `error` object too, and the [exit status](cli.md#exit-status) is the same as without `--json`.

| command | a line is |
|---|---|
"""

PRINTED: dict[str, tuple[type[Any], ...]] = {
    "ask": (wire.Routed, wire.Waiting, wire.Loading, wire.Started, wire.Delta, wire.Done),
    "chat": (wire.Routed, wire.Waiting, wire.Loading, wire.Started, wire.Delta, wire.Done),
    "route": (wire.RouteReply,),
    "status": (wire.Status,),
    "watch": (wire.Status, wire.Event),
    "monitor": (wire.Status,),
    "history": (wire.DecisionRecord,),
    "explain": (wire.DecisionRecord,),
    "feedback": (wire.Noted,),
    "stats": (wire.Stats,),
    "routing": (wire.Routing,),
    "ping": (wire.Welcome,),
    "models": (wire.Models, wire.Selected),
    "load": (wire.Loading, wire.Loaded),
    "unload": (wire.Loading, wire.Unloaded),
    "pin": (wire.Pinned,),
    "unpin": (wire.Unpinned,),
    "hold": (wire.Held,),
    "resume": (wire.Resumed,),
    "shutdown": (wire.Stopping,),
}
"""Verb -> the messages of the protocol that it prints as they came."""

OWN: dict[str, str] = {
    "bench": "`at`, `ollama`, `simulated`, `machine`, `results`: seconds, bytes, tokens a second of each model",
    "menubar": "nothing: it prints a menu; `status --json` has the same facts",
    "top": "nothing: it draws a screen; `watch --json` has the same facts",
    "reload": "`type` `reloaded`, `pid`, `awaits_restart` (tables of the configuration), `warnings`",
    "completion": "`shell`, `script`",
    "config": "`check`: `ok`, `message`; `path`: `path`; `show`: `config`, the tables with secrets masked",
    "service": "see `innkeep service ACTION --help`",
    "init": "`type` `init`, `file`, `written`, `backup`, `budget`, `roles` with reasons, `models`, `notes`, `pulls`",
    "fit": "`type` `fit`, `model`, `fit` (or `unknown`), `reason`, `footprint`, `context`, `budget`, `size`, `source`",
    "pull": "`fit` first, then the lines of Ollama's `/api/pull`",
    "doctor": "see `innkeep doctor --help`",
    "connect": "`client`, `url`, `contexts`, `files`, `environment`, `commands`; with `--write` or `--undo`: `client`, "
    "`files` (`file`, `changed`, `backup`, `notes`); with `--list`: `clients`",
    "openclaw": "`export`: OpenClaw's own JSON; `import`: `roles`; with `--write`: `file`, `changed`, `backup`",
}
"""Verbs whose objects are no messages."""


def page() -> str:
    """The whole page."""
    rows = [f"| `innkeep {verb}` | {_shape(verb)} |" for verb in VERBS]
    kinds: dict[type[Any], None] = dict.fromkeys(kind for verb in PRINTED.values() for kind in verb)
    kinds[wire.Error] = None
    return _INTRODUCTION + "\n".join([*rows, "", *(line for kind in kinds for line in _section(kind))])


def _shape(verb: str) -> str:
    if verb in PRINTED:
        return ", ".join(f"[`{_title(kind)}`](#{_title(kind)})" for kind in PRINTED[verb])
    return OWN[verb] + (", by `innkeepd`" if verb in DELEGATED else "")


def _title(kind: type[Any]) -> str:
    return "record" if kind is wire.DecisionRecord else name_of(kind)


def _section(kind: type[Any]) -> Iterator[str]:
    yield f"## {_title(kind)}"
    yield ""
    names = ", ".join(f"`{field.encode_name}`" for field in msgspec.structs.fields(kind) if field.encode_name != "id")
    first = (kind.__doc__ or "").strip().splitlines()[0].replace("``", "`")
    yield f"{first} Fields: {names or 'none'}; [types and defaults](protocol.md)."
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
