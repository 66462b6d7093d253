"""TOML and YAML, edited in place by libraries that keep comments and order: tomlkit, ruamel.yaml."""

import io
from collections.abc import MutableMapping, MutableSequence
from typing import Any

import tomlkit
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.util import load_yaml_guess_indent
from tomlkit.exceptions import TOMLKitError

from innkeepd.clients.documents import MISSING, Match, NotEditable, Path, Step, dotted, plain, value_at, wrapped

_WIDEST = 1_000_000
"""Columns at which ruamel would break a line: never."""


class _Tree:
    """What the two have in common: a tree of mappings and lists that is changed as if it were a plain one."""

    name: str
    root: Any

    def content(self) -> Any:
        """The whole value, as plain mappings and lists."""
        return plain(self.root)

    def set(self, path: Path, value: Any) -> None:
        """Put ``value`` at ``path``."""
        if value_at(self.content(), path) == value:
            return
        if self.root is None:
            self.root = self.made({} if isinstance(path[0], str) else [])
        node: Any = self.root
        for at, step in enumerate(path):
            inner = self._child(node, step, path[: at + 1])
            if inner is MISSING or at == len(path) - 1:
                self._put(node, step, inner, wrapped(path[at + 1 :], value), path[at:])
                return
            node = inner

    def delete(self, path: Path) -> None:
        """Take away what is at ``path``."""
        if value_at(self.content(), path) is MISSING:
            return
        node = self.root
        for at, step in enumerate(path[:-1]):
            node = self._child(node, step, path[: at + 1])
        if isinstance(path[-1], str):
            del node[path[-1]]
        else:
            del node[_index(node, path[-1])]

    def made(self, value: Any) -> Any:
        """A plain value as the library wants it."""
        raise NotImplementedError

    def _put(self, node: Any, step: Step, inner: Any, value: Any, path: Path) -> None:
        if isinstance(step, str):
            node[step] = self.made(value)
        elif inner is MISSING:
            node.append(self.made(wrapped(path[:1], value)[0]))
        else:
            node[_index(node, step)] = self.made(value)

    def _child(self, node: Any, step: Step, path: Path) -> Any:
        if isinstance(step, str) and isinstance(node, MutableMapping):
            return node.get(step, MISSING)
        if isinstance(step, str) or not isinstance(node, MutableSequence):
            wanted = "a mapping" if isinstance(step, str) else "a list"
            raise NotEditable(f"{self.name}: expected {wanted} around {dotted(path)}; mend that first")
        return next((item for item in node if step.fits(plain(item))), MISSING)


class PlainDocument(_Tree):
    """Mappings and lists without a text: what a file should hold after an edit."""

    def __init__(self, content: Any, name: str = "the file") -> None:
        self.name = name
        self.root = plain(content)

    def made(self, value: Any) -> Any:
        """A copy."""
        return plain(value)


class TomlDocument(_Tree):
    """A TOML text. Raises NotEditable where it cannot be parsed."""

    def __init__(self, text: str, name: str = "the file") -> None:
        self.name = name
        try:
            self.root = tomlkit.parse(text)
        except TOMLKitError as fault:
            raise NotEditable(f"{name}: not TOML: {fault}") from None

    def text(self) -> str:
        """The text as it is now."""
        return tomlkit.dumps(self.root)

    def made(self, value: Any) -> Any:
        """A tomlkit item; the parent of tables only has no head of its own."""
        if not isinstance(value, dict):
            return tomlkit.item(value)
        table = tomlkit.table(is_super_table=all(isinstance(each, dict) for each in value.values()))
        for key, each in value.items():
            table.add(key, self.made(each))
        return table


class YamlDocument(_Tree):
    """A YAML text of one document. Raises NotEditable where it cannot be parsed."""

    def __init__(self, text: str, name: str = "the file") -> None:
        self.name = name
        self._before = text
        try:
            _, mapping, offset = load_yaml_guess_indent(text)
            self._yaml = YAML()
            self._yaml.preserve_quotes = True
            self._yaml.width = _WIDEST
            self._yaml.indent(mapping=mapping or 2, sequence=(offset or 0) + 2, offset=offset or 0)
            self.root = self._yaml.load(text)
        except (YAMLError, RecursionError, ValueError) as fault:
            where = getattr(fault, "problem_mark", None)
            line = f"line {where.line + 1}: " if where else ""
            raise NotEditable(f"{name}: not YAML: {line}{getattr(fault, 'problem', None) or fault}") from None
        if self.root is not None and not isinstance(self.root, CommentedMap | CommentedSeq):
            raise NotEditable(f"{name}: expected a mapping or a list as the whole of it")
        self._plain = self.content()

    def text(self) -> str:
        """The text as it is now; the very same where nothing has changed."""
        if self.content() == self._plain:
            return self._before
        out = io.StringIO()
        self._yaml.dump(self.root, out)
        comments_only = self._plain is None and self._before.strip()
        return (self._before.rstrip() + "\n" if comments_only else "") + out.getvalue()

    def made(self, value: Any) -> Any:
        """A ruamel node."""
        if isinstance(value, dict):
            return CommentedMap({key: self.made(each) for key, each in value.items()})
        if isinstance(value, list):
            return CommentedSeq([self.made(each) for each in value])
        return value


def _index(node: MutableSequence[Any], match: Match) -> int:
    return next(index for index, item in enumerate(node) if match.fits(plain(item)))
