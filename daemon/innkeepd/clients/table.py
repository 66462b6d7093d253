"""The table of clients: one TOML file for each in ``data/``, from which the command and the pages are made.

Values may hold ``$url`` (the HTTP port), ``$v1`` (the same with ``/v1``), ``$key`` (the token, else any text) and
``$coding`` or ``$coding/4`` and so on (a model's context in tokens, as text). A value that is ``#coding`` or
``#coding/4`` alone is that number.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

VIRTUAL = ("auto", "coding", "reasoning", "general")
"""The names under which the HTTP port chooses a model; docs/http.md."""

CONTEXT = 16_384
"""Tokens that are assumed of each where no daemon tells: the most that a 32B has on a 36 GB Mac."""

DUMMY_KEY = "innkeep"
"""What clients that insist on a key are given where there is no token."""


class Installation(Struct, frozen=True):
    """What clients must know of this innkeep. ``contexts``: tokens by virtual model; ``token`` "": none is needed."""

    url: str = "http://127.0.0.1:11435"
    token: str = ""
    contexts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VIRTUAL, CONTEXT))


class ConfigFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a client and what is set in it.

    ``places``: where it may lie, best first; a place with a variable counts where that is set, ``darwin:`` and
    ``linux:`` limit one to a system. ``values`` are set, ``defaults`` only where nothing is there, ``with_token`` where
    a token is needed. ``match``: how the items of lists are told apart (``documents.leaves``).
    """

    places: list[str]
    format: Literal["json", "toml", "yaml"]
    values: Any
    defaults: Any = msgspec.field(default_factory=dict)
    with_token: Any = msgspec.field(default_factory=dict)
    match: dict[str, str] = field(default_factory=dict)


class Prompt(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends before the user's own words.

    ``bytes`` of the body and ``tools``: measured at "hello". ``counted``: tokens of the prompt as Ollama lays it out,
    at four characters each (what it does not know of a tool it leaves out); 0 where nobody has counted. ``off``: what
    to switch off so that it fits a small context; ``smaller``: tokens after that, 0 where nobody has counted.
    """

    bytes: int
    tools: str = ""
    counted: int = 0
    off: str = ""
    smaller: int = 0

    @property
    def tokens(self) -> int:
        """Tokens: counted, else a quarter of the bytes, which is too many rather than too few."""
        return self.counted or -(-self.bytes // 4)


class Client(Struct, frozen=True, forbid_unknown_fields=True):
    """One client.

    ``install`` and ``start`` are commands for a person, ``commands`` configure it by themselves; ``environment`` is set
    in the shell, ``environment_with_token`` where a token is needed. ``processes``: its names in a list of processes.
    ``notes``: one sentence or two each; ``more``: Markdown for the end of its page; ``tried``: what was run, and where.
    """

    title: str
    summary: str
    api: str
    tried: str
    name: str = ""
    install: list[str] = field(default_factory=list)
    start: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    files: list[ConfigFile] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    environment_with_token: dict[str, str] = field(default_factory=dict)
    processes: list[str] = field(default_factory=list)
    prompt: Prompt | None = None
    notes: list[str] = field(default_factory=list)
    more: str = ""


@cache
def clients() -> dict[str, Client]:
    """Every client by its name, in the order of the names."""
    folder = files("innkeepd.clients") / "data"
    found: dict[str, Client] = {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".toml"):
            name = file.name.removesuffix(".toml")
            table = tomllib.loads(file.read_text(encoding="utf-8")) | {"name": name}
            found[name] = msgspec.convert(table, Client)
    return found


def client_of(process: str) -> str | None:
    """The client whose program a process of this name is; None: none that we know."""
    return next((name for name, client in clients().items() if process in client.processes), None)


def filled(value: Any, there: Installation) -> Any:
    """A value of the table with what holds for this installation; mappings and lists are gone through."""
    if isinstance(value, Mapping):
        return {key: filled(each, there) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, there) for each in value]
    if not isinstance(value, str):
        return value
    if number := re.fullmatch(r"#([a-z]+)(?:/(\d+))?", value):
        return there.contexts[number[1]] // int(number[2] or 1)
    known = {"url": there.url, "v1": f"{there.url}/v1", "key": there.token or DUMMY_KEY}
    names = "|".join(there.contexts)
    value = re.sub(rf"\$({names})(?:/(\d+))?\b", lambda one: str(there.contexts[one[1]] // int(one[2] or 1)), value)
    return re.sub(r"\$([a-z0-9]+)", lambda found: known.get(found[1], found[0]), value)


def place_of(file: ConfigFile, environ: Mapping[str, str], home: Path, platform: str) -> Path:
    """Where a client has this file: the first that exists, else the first that could."""
    found = list(_places(file, environ, home, platform))
    return next((path for path in found if path.exists()), found[0])


def _places(file: ConfigFile, environ: Mapping[str, str], home: Path, platform: str) -> Iterator[Path]:
    by_variable = False
    for place in file.places:
        system, mark, rest = place.partition(":")
        if mark and system != platform:
            continue
        text = rest if mark else place
        named = re.match(r"\$(\w+)", text)
        if named:
            value = environ.get(named[1])
            if value:
                by_variable = True
                yield _at_home(text.replace(named[0], value, 1), home)
        elif not by_variable:
            yield _at_home(text, home)


def _at_home(text: str, home: Path) -> Path:
    return home / text[2:] if text.startswith("~/") else Path(text)
