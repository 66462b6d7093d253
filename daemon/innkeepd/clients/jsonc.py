"""JSON with comments, edited in place: only the bytes of a changed value change.

Reads what editors and agents accept in such files: comments, commas after the last item, keys without quotes, single
quotes (JSON5). No library for Python edits such a text, so the spans of the values are found here. What is read here
must be what the json5 library reads, and an edit that would not read back as wanted is refused.
"""

import json
import re
from typing import Any

import json5
from msgspec import Struct, field

from innkeepd.clients.documents import MISSING, NotEditable, Path, Step, dotted, value_at, wrapped

_BLANK = re.compile(r"(?:\s|\ufeff|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", re.DOTALL)
_WORD = re.compile(r"[^\s,:\[\]{}\"'/]+")
_LINE_COMMENT = re.compile(r"[ \t]*//[^\n]*")
_DEEPEST = 200
"""Nested mappings and lists; deeper ones are no configuration."""


class _Node(Struct):
    """One value: ``begin`` and ``end`` are offsets of its text.

    ``kind``: ``{`` with ``members`` (key, offset of the key, value), ``[`` with ``items``, ``=`` for a scalar.
    """

    kind: str
    begin: int
    end: int
    members: list[tuple[str, int, "_Node"]] = field(default_factory=list)
    items: list["_Node"] = field(default_factory=list)


class JsonDocument:
    """A JSON, JSONC or JSON5 text. Raises NotEditable where it cannot be parsed; ``name`` is for that message."""

    def __init__(self, text: str, name: str = "the file") -> None:
        self._text = text
        self._name = name
        self._read()
        self._check()

    def content(self) -> Any:
        """The whole value; None for an empty file."""
        return self._content

    def text(self) -> str:
        """The text as it is now."""
        return self._text

    def set(self, path: Path, value: Any) -> None:
        """Put ``value`` at ``path``."""
        if self._root is None:
            self._text = self._text.rstrip() + ("\n" if self._text.strip() else "") + "{}\n"
            self._read()
        before, at, node = self._text, 0, self._root
        while node is not None and at < len(path):
            inner = self._child(node, path[at], path[: at + 1])
            if inner is None:
                self._add(node, path[at], wrapped(path[at:], value))
                break
            node, at = inner, at + 1
        else:
            if node is not None and value_at(self._content, path) != value:
                self._splice(node.begin, node.end, self._spelled(value, node.begin))
        self._prove(before, path, value)

    def delete(self, path: Path) -> None:
        """Take away the member or item, with its comma and, where it stands on lines of its own, those lines."""
        if value_at(self._content, path) is MISSING:
            return
        parent, node = None, self._root
        for at, step in enumerate(path):
            parent, node = node, self._child(node, step, path[: at + 1]) if node is not None else None
        if parent is None or node is None:
            return
        before = self._text
        spans = _spans(parent)
        at = next(index for index, (_, end) in enumerate(spans) if end == node.end)
        begin, end = spans[at]
        after = _BLANK.match(self._text, end)
        comma = after.end() if after is not None else end
        if comma < len(self._text) and self._text[comma] == ",":
            end = comma + 1
        elif at:
            self._drop_comma(spans[at - 1][1], begin)
            begin, end = begin - 1, end - 1
            if not self._text[spans[at - 1][1] : begin].strip():
                self._splice(spans[at - 1][1], end, "")
                self._prove(before, path, MISSING)
                return
        line = self._text.rfind("\n", 0, begin) + 1
        if not self._text[line:begin].strip() and re.match(r"[ \t]*(\n|$)", self._text[end:]):
            begin, end = line, self._text.find("\n", end) + 1 or len(self._text)
        elif re.match(r"[ \t]*\]|[ \t]*\}", self._text[end:]) or not at:
            end += len(self._text[end:]) - len(self._text[end:].lstrip(" \t"))
        self._splice(begin, end, "")
        self._prove(before, path, MISSING)

    def _drop_comma(self, begin: int, until: int) -> None:
        """Take away the comma behind the item that becomes the last one."""
        blank = _BLANK.match(self._text, begin)
        at = blank.end() if blank is not None else begin
        if at < until and self._text[at] == ",":
            self._text = self._text[:at] + self._text[at + 1 :]

    def _add(self, parent: _Node, step: Step, within: Any) -> None:
        """Append the one member or item of ``within`` behind the last one, in the layout that the others have."""
        value = within[step] if isinstance(step, str) else within[0]
        key = f"{json.dumps(step, ensure_ascii=False)}: " if isinstance(step, str) else ""
        spans = _spans(parent)
        if not spans:
            inner = self._indent(parent.begin) + self._step()
            closing = "\n" + self._indent(parent.begin)
            spelled = f"\n{inner}{key}{self._spelled(value, indent=inner)}{closing}"
            inside = self._text[parent.begin + 1 : parent.end - 1].rstrip()
            self._splice(parent.begin + 1, parent.end - 1, inside + spelled)
            return
        begin, end = spans[-1]
        own_line = not self._text[self._text.rfind("\n", 0, begin) + 1 : begin].strip()
        before = f"\n{self._indent(begin)}" if own_line else " "
        spelled = before + key + self._spelled(value, indent=self._indent(begin))
        blank = _BLANK.match(self._text, end)
        at = blank.end() if blank is not None else end
        if self._text[at] == ",":  # a comma behind the last one
            where = self._behind_comment(at + 1)
            self._splice(where, where, spelled + ",")
            return
        where = self._behind_comment(end)
        self._splice(where, where, spelled)
        self._splice(end, end, ",")

    def _behind_comment(self, at: int) -> int:
        """The offset behind a comment that ends this line: it belongs to what stands before it."""
        comment = _LINE_COMMENT.match(self._text, at)
        return comment.end() if comment else at

    def _child(self, node: _Node, step: Step, path: Path) -> _Node | None:
        """The value of one step; None: it is not there. Raises NotEditable where the shape is another one."""
        wanted = "{" if isinstance(step, str) else "["
        if node.kind != wanted:
            kind = {"{": "an object {...}", "[": "a list [...]"}[wanted]
            raise NotEditable(f"{self._name}: expected {kind} around {dotted(path)}; mend that first")
        if isinstance(step, str):
            return next((value for key, _, value in reversed(node.members) if key == step), None)
        return next((item for item in node.items if step.fits(self._value(item))), None)

    def _value(self, node: _Node) -> Any:
        if node.kind == "{":
            return {key: self._value(value) for key, _, value in node.members}
        if node.kind == "[":
            return [self._value(item) for item in node.items]
        text = self._text[node.begin : node.end]
        try:
            return json.loads(text)
        except ValueError:
            pass
        try:
            return json5.loads(text)
        except ValueError:
            line = self._text.count("\n", 0, node.begin) + 1
            raise NotEditable(f"{self._name}: not JSON: line {line}: {text[:40]} is no value") from None

    def _splice(self, begin: int, end: int, text: str) -> None:
        self._text = self._text[:begin] + text + self._text[end:]

    def _spelled(self, value: Any, at: int = 0, *, indent: str | None = None) -> str:
        lines = json.dumps(value, ensure_ascii=False, indent=self._step()).split("\n")
        return f"\n{self._indent(at) if indent is None else indent}".join(lines)

    def _indent(self, at: int) -> str:
        line = self._text[self._text.rfind("\n", 0, at) + 1 :]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _step(self) -> str:
        """One level of indentation, as the file has it."""
        found = re.search(r"[{\[][^\S\n]*\n([ \t]+)\S", self._text)
        return found[1] if found else "  "

    def _prove(self, before: str, path: Path, value: Any) -> None:
        """Read the new text; raise NotEditable, with the old text in place, if it does not hold what was wanted."""
        try:
            self._read()
            found = value_at(self._content, path)
        except NotEditable:
            found = self
        if found != value or (value is MISSING) != (found is MISSING):
            self._text = before
            self._read()
            raise NotEditable(f"{self._name}: {dotted(path)} cannot be changed there without a risk; do it by hand")

    def _read(self) -> None:
        """Find the spans and the values."""
        self._root = _Reader(self._text, self._name).document()
        self._content = None if self._root is None else self._value(self._root)

    def _check(self) -> None:
        """Let the libraries read the text too: what is edited here must mean the same to everybody."""
        if self._root is None:
            return
        body = self._text.lstrip("\ufeff")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            try:
                found = json5.loads(body)
            except (ValueError, RecursionError) as fault:
                where = " ".join(str(fault).removeprefix("<string>:").split())
                raise NotEditable(f"{self._name}: not JSON: line {where}") from None
        if repr(found) != repr(self._content):
            raise NotEditable(f"{self._name}: JSON that programs may read in different ways; mend that first")


class _Reader:
    """Finds the span of every value of a text."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._at = 0

    def document(self) -> _Node | None:
        """The root; None for a text without a value."""
        self._skip()
        if self._at == len(self._text):
            return None
        root = self._value(0)
        self._skip()
        if self._at != len(self._text):
            raise self._fault("expected the end of the file")
        return root

    def _value(self, depth: int) -> _Node:
        if depth > _DEEPEST:
            raise self._fault("nested too deeply")
        begin, mark = self._at, self._text[self._at : self._at + 1]
        if mark not in ("{", "["):
            self._token("a value")
            return _Node("=", begin, self._at)
        node = _Node(mark, begin, begin)
        self._at += 1
        closing = "}" if mark == "{" else "]"
        while True:
            self._skip()
            if self._take(closing):
                node.end = self._at
                return node
            self._entry(node, depth)
            self._skip()
            if not self._take(",") and self._text[self._at : self._at + 1] != closing:
                raise self._fault(f"expected , or {closing}")

    def _entry(self, node: _Node, depth: int) -> None:
        if node.kind == "[":
            node.items.append(self._value(depth + 1))
            return
        begin = self._at
        word = self._token("a key")
        key = json5.loads(word) if word[0] in "\"'" else word
        self._skip()
        if not self._take(":"):
            raise self._fault("expected :")
        self._skip()
        node.members.append((str(key), begin, self._value(depth + 1)))

    def _token(self, what: str) -> str:
        found = _STRING.match(self._text, self._at) or _WORD.match(self._text, self._at)
        if found is None:
            raise self._fault(f"expected {what}")
        self._at = found.end()
        return found[0]

    def _take(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) if found else 0
        return found

    def _skip(self) -> None:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank is not None else self._at

    def _fault(self, what: str) -> NotEditable:
        line = self._text.count("\n", 0, self._at) + 1
        return NotEditable(f"{self._name}: not JSON: line {line}: {what}")


def _spans(node: _Node) -> list[tuple[int, int]]:
    """Begin and end of every member or item."""
    if node.kind == "{":
        return [(begin, value.end) for _, begin, value in node.members]
    return [(item.begin, item.end) for item in node.items]
