"""Text in columns, by the width that a terminal draws: a Korean syllable takes two cells."""

from collections.abc import Collection, Sequence

from innkeep.language import _


def width(text: str) -> int:
    """Cells that ``text`` takes: wide East Asian characters two, combining ones none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # most tables are plain ASCII

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def cut(text: str, cells: int) -> str:
    """``text`` in at most ``cells`` cells, with ``…`` where something had to go."""
    if width(text) <= cells:
        return text
    kept, used = "", 0
    for char in text:
        used += width(char)
        if used > cells - 1:
            break
        kept += char
    return kept + "…" if cells > 0 else ""


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """``text`` filled up with spaces to ``cells`` cells."""
    space = " " * (cells - width(text))
    return space + text if right else text + space


def columns(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
    cells: int | None = None,
    drop: Sequence[str] = (),
) -> list[str]:
    """The head line, translated, and one line a row, in columns as wide as needed; those named in ``right`` end flush.

    Where a line would be wider than ``cells`` (None: no limit), columns are left out in the order of ``drop``, then
    the widest one is cut.
    """
    table = [[_(head) for head in heads], *(list(row) for row in rows)]
    names, dropped = list(heads), iter(drop)
    while cells is not None and _needed(table) > cells and (name := next(dropped, None)) is not None:
        if name in names:
            at = names.index(name)
            del names[at]
            table = [[*row[:at], *row[at + 1 :]] for row in table]
    if cells is not None and _needed(table) > cells:
        _shorten(table, cells)
    widths = _widths(table)
    flush = [name in right for name in names]
    return [
        "  ".join(
            pad(cell, most, right=at_right) for cell, most, at_right in zip(row, widths, flush, strict=True)
        ).rstrip()
        for row in table
    ]


def _widths(table: Sequence[Sequence[str]]) -> list[int]:
    return [max(width(row[at]) for row in table) for at in range(len(table[0]))]


def _needed(table: Sequence[Sequence[str]]) -> int:
    widths = _widths(table)
    return sum(widths) + 2 * (len(widths) - 1)


def _shorten(table: list[list[str]], cells: int) -> None:
    widths = _widths(table)
    widest = widths.index(max(widths))
    room = max(8, widths[widest] - (_needed(table) - cells))
    for row in table:
        row[widest] = cut(row[widest], room)
