"""A client's configuration as text, in the formats of its files."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from innkeepd.clients.documents import leaves
from innkeepd.clients.edit import opened, wanted
from innkeepd.clients.round_trip import PlainDocument
from innkeepd.clients.table import Client, ConfigFile, Installation, filled


def content(file: ConfigFile, there: Installation) -> Any:
    """What a new file would hold."""
    document = PlainDocument(None)
    for path, value in [*leaves(filled(file.defaults, there), file.match), *wanted(file, there)]:
        document.set(path, value)
    return document.content()


def spelled(file: ConfigFile, there: Installation) -> str:
    """The text of a new file."""
    if file.format == "json":
        return json.dumps(content(file, there), ensure_ascii=False, indent=2) + "\n"
    document = opened("", file.format, "the file")
    for path, value in [*leaves(filled(file.defaults, there), file.match), *wanted(file, there)]:
        document.set(path, value)
    return document.text()


def environment(client: Client, there: Installation) -> dict[str, str]:
    """The variables of the shell."""
    more: Mapping[str, str] = client.environment_with_token if there.token else {}
    found: dict[str, str] = filled({**client.environment, **more}, there)
    return found


def commands(client: Client, there: Installation) -> list[str]:
    """The commands by which a client without a file of its own is configured."""
    found: list[str] = filled(client.commands, there)
    return found


def blocks(client: Client, there: Installation, places: Mapping[int, str]) -> Iterator[tuple[str, str, str]]:
    """(language, head, text) of each part of a client's configuration; ``places``: the path of each file."""
    for number, file in enumerate(client.files):
        yield file.format, places[number], spelled(file, there)
    if variables := environment(client, there):
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        yield "sh", "in the shell", "\n".join(lines) + "\n"
    if words := commands(client, there):
        yield "sh", "once", "\n".join(words) + "\n"
