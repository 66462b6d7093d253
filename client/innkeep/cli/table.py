"""Text in columns, by the width that a terminal draws: a Korean syllable takes two cells."""

from collections.abc import Collection, Sequence


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


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()) -> list[str]:
    """The head line and one line a row, in columns as wide as needed; those named in ``right`` end flush."""
    widths = [max(width(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    flush = [head in right for head in heads]
    return [
        "  ".join(
            pad(cell, cells, right=at_right) for cell, cells, at_right in zip(row, widths, flush, strict=True)
        ).rstrip()
        for row in (heads, *rows)
    ]
