"""Configuration files of other programs as documents that can be edited in place.

A *path* leads to a value: a text is the key of a mapping, a ``Match`` is the item of a list. An edit changes only the
value at its path; comments, order, and everything else in the file stay as they are. ``Document`` is implemented for
JSON with comments (``jsonc.py``), TOML and YAML (``round_trip.py``).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from innkeepd.errors import DaemonError


class Match(Struct, frozen=True):
    """The item of a list whose member ``key`` is ``value``; without a key: the text that begins with ``value``."""

    key: str
    value: str

    def fits(self, item: object) -> bool:
        """Whether this is the item."""
        if not self.key:
            return isinstance(item, str) and item.startswith(self.value)
        return isinstance(item, Mapping) and item.get(self.key) == self.value


Step: TypeAlias = str | Match
Path: TypeAlias = tuple[Step, ...]


class Missing:
    """The type of ``MISSING``."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()
"""There is no value at that path."""


class NotEditable(DaemonError):
    """A file that cannot be parsed, or that has another shape than its program expects; the text says where."""


class Document(Protocol):
    """A parsed file."""

    def content(self) -> Any:
        """The whole value, as plain mappings, lists and scalars; None for an empty file."""

    def set(self, path: Path, value: Any) -> None:
        """Put ``value`` at ``path``; missing mappings, lists and items on the way are made. Raises NotEditable."""

    def delete(self, path: Path) -> None:
        """Take away what is at ``path``; nothing happens where nothing is there."""

    def text(self) -> str:
        """The file's new text."""


def value_at(content: Any, path: Path) -> Any:
    """What a plain value has at ``path``, or ``MISSING``."""
    for step in path:
        if isinstance(step, str):
            content = content[step] if isinstance(content, Mapping) and step in content else MISSING
        else:
            items = content if isinstance(content, list) else []
            content = next((item for item in items if step.fits(item)), MISSING)
        if content is MISSING:
            return MISSING
    return content


def leaves(tree: Any, match: Mapping[str, str], at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """(path, value) of every value to be set.

    ``tree``: mappings, or a list where the whole file is one. ``match`` says how the items of a list are told apart:
    dotted keys of the list -> the member that names an item, or for a list of texts the mark up to which they are
    compared, such as ``=``. Other lists are values as a whole.
    The key of a list that is the whole file is the empty text.
    """
    if isinstance(tree, list):
        yield from _items(tree, match[""], match, at)
        return
    for key, value in tree.items():
        path = (*at, key)
        how = match.get(dotted(path))
        if isinstance(value, Mapping):
            yield from leaves(value, match, path)
        elif how is not None:
            yield from _items(value, how, match, path)
        else:
            yield path, value


def _items(items: Sequence[Any], how: str, match: Mapping[str, str], at: Path) -> Iterator[tuple[Path, Any]]:
    for item in items:
        if isinstance(item, str):
            yield (*at, Match("", item.partition(how)[0] + how)), item
        else:
            yield from leaves(item, match, (*at, Match(how, item[how])))


def wrapped(path: Path, value: Any) -> Any:
    """``value`` within the mappings and lists of a path of which nothing is there yet."""
    for step in reversed(path):
        if isinstance(step, str):
            value = {step: value}
        elif step.key and isinstance(value, dict):
            value = [{step.key: step.value} | value]
        else:
            value = [value]
    return value


def dotted(path: Path) -> str:
    """A path for a message or a key: ``models.providers.ollama``; items of lists as ``models[auto]``."""
    text = ""
    for step in path:
        text += f"[{step.value}]" if isinstance(step, Match) else f".{step}"
    return text.removeprefix(".")


def plain(value: Any) -> Any:
    """Mappings and lists of a library as plain ones."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value
