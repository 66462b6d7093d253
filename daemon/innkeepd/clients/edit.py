"""What is to be changed in one file of a client, computed without touching the disk."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from innkeepd.clients.documents import MISSING, Document, Match, NotEditable, Path, leaves, plain, value_at
from innkeepd.clients.jsonc import JsonDocument
from innkeepd.clients.round_trip import PlainDocument, TomlDocument, YamlDocument
from innkeepd.clients.table import ConfigFile, Installation, filled

_OPEN: dict[str, Callable[[str, str], Document]] = {"json": JsonDocument, "toml": TomlDocument, "yaml": YamlDocument}


class Entry(Struct, frozen=True):
    """One value that was set: what was there ``before`` (``MISSING``: nothing) and what is ``after``."""

    path: Path
    before: Any
    after: Any


class Edit(Struct, frozen=True):
    """A file's new text, the values that differ, and the mappings, lists and items that had to be made for them."""

    text: str
    entries: list[Entry]
    made: list[Path]


def opened(text: str, file_format: str, name: str) -> Document:
    """Parse a file's text. Raises NotEditable with ``name`` and the line."""
    return _OPEN[file_format](text, name)


def wanted(file: ConfigFile, there: Installation) -> list[tuple[Path, Any]]:
    """(path, value) of all that is set in a file for this installation, without its defaults."""
    trees = [file.values, file.with_token] if there.token else [file.values]
    return [leaf for tree in trees for leaf in leaves(filled(tree, there), file.match)]


def edit(text: str, file: ConfigFile, there: Installation, name: str) -> Edit:
    """Merge what the client needs into the text of its file; ``name`` is for messages.

    Raises NotEditable for a text that cannot be parsed, that has another shape, or that would not read back as wanted.
    """
    document = opened(text, file.format, name)
    before = plain(document.content())
    changes = wanted(file, there)
    changes += [leaf for leaf in leaves(filled(file.defaults, there), file.match) if _is_free(before, leaf[0])]
    expected = PlainDocument(before, name)
    entries: list[Entry] = []
    made: list[Path] = []
    for path, value in changes:
        if len(path) > 1 and isinstance(path[-2], Match) and path[-2].key == path[-1]:
            continue  # an item that is made has what tells it apart
        old = value_at(expected.content(), path)
        if old == value and type(old) is type(value):
            continue
        made += [each for each in _missing_above(expected.content(), path) if each not in made]
        if all(path != each.path for each in entries):
            entries.append(Entry(path, old, value))
        document.set(path, value)
        expected.set(path, value)
    after = document.text()
    _prove(after, expected.content(), file.format, name)
    return Edit(after, entries, made)


def taken_back(text: str, file_format: str, name: str, entries: Iterable[Entry], made: Iterable[Path]) -> Edit:
    """Put back what was there before the ``entries``; the result's entries are those that somebody has changed since.

    Mappings, lists and items that were ``made`` go where nothing is left in them.
    """
    document = opened(text, file_format, name)
    expected = PlainDocument(document.content(), name)
    kept: list[Entry] = []
    for entry in reversed(list(entries)):
        now = value_at(expected.content(), entry.path)
        if now is MISSING:
            continue
        if now != entry.after:
            kept.append(entry)
        else:
            for one in (document, expected):
                one.delete(entry.path) if entry.before is MISSING else one.set(entry.path, entry.before)
    for path in sorted(made, key=len, reverse=True):
        if _is_empty(value_at(expected.content(), path), path):
            document.delete(path)
            expected.delete(path)
    after = document.text()
    _prove(after, expected.content(), file_format, name)
    return Edit(after, kept, [])


def _prove(text: str, expected: Any, file_format: str, name: str) -> None:
    """Read the text as its program would; what stands there must be what was there, and the changes."""
    if (plain(opened(text, file_format, name).content()) or None) != (expected or None):
        raise NotEditable(f"{name}: it cannot be changed without touching the rest of it; do it by hand")


def _is_free(content: Any, path: Path) -> bool:
    """Whether nothing is at ``path``, and nothing that is no mapping or list stands in the way."""
    for length in range(1, len(path) + 1):
        found = value_at(content, path[:length])
        if found is MISSING:
            return True
        if not isinstance(found, dict | list):
            return False
    return False


def _missing_above(content: Any, path: Path) -> Iterator[Path]:
    for length in range(1, len(path)):
        if value_at(content, path[:length]) is MISSING:
            yield path[:length]


def _is_empty(value: Any, path: Path) -> bool:
    """Whether nothing is left; of an item of a list: nothing but what tells it apart."""
    last = path[-1]
    if isinstance(last, Match) and last.key:
        return isinstance(value, dict) and set(value) <= {last.key}
    return value in ({}, [])
