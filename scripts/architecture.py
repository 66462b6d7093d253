"""Draws ``docs/architecture.svg`` from the code: a box for each folder, lowest at the bottom, with what it imports.

Each box says what the folder's ``__init__`` says of it. Run it again after a folder has changed;
with ``--check`` it only compares, and ends with 1 where the picture is out of date.
"""

import ast
import sys
from html import escape
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).parents[1]
DAEMON = ROOT / "daemon" / "innkeepd"
PICTURE = ROOT / "docs" / "architecture.svg"
ROWS = (
    ("main",),
    ("connect",),
    ("openclaw", "service", "simulate"),
    ("server/socket", "server/http"),
    ("chat",),
    ("residency",),
    ("store", "backends", "machine", "simulator"),
    ("clients", "config"),
    ("policy/routing", "policy/memory", "policy/scheduling"),
)
"""The floors of the daemon, highest first."""
ENTRY = "main, run, app: which verb, and the wiring of everything below in one task group."
WIDTH, HEIGHT, GAP, MARGIN = 960, 86, 22, 16


def folder_of(parts: tuple[str, ...]) -> str:
    """The box of a module (or package) below ``innkeepd``; empty for shared files of the root."""
    if not parts:
        return ""
    if parts[0] in {"server", "policy"} and len(parts) > 1:
        pair = "/".join(parts[:2])
        return pair if any(pair in row for row in ROWS) else ""
    if parts[0] in {"main", "run", "app"}:
        return "main"
    return parts[0] if any(parts[0] in row for row in ROWS) else ""


def imports() -> dict[str, set[str]]:
    """Box -> boxes that it imports from."""
    found: dict[str, set[str]] = {}
    for path in sorted(DAEMON.rglob("*.py")):
        importer = folder_of(path.relative_to(DAEMON).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("innkeepd."):
                imported = folder_of(tuple((node.module or "").split(".")[1:]))
                if importer and imported and importer != imported:
                    found.setdefault(importer, set()).add(imported)
    return found


def sentence(folder: str) -> str:
    """What the folder's ``__init__`` says of it."""
    if folder == "main":
        return ENTRY
    text = ast.get_docstring(ast.parse((DAEMON / folder / "__init__.py").read_text(encoding="utf-8")))
    return " ".join((text or "").replace("`", "").split())


def picture() -> str:
    """The drawing as SVG."""
    used = imports()
    places: dict[str, tuple[float, float, float]] = {}
    for floor, row in enumerate(ROWS):
        width = (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / len(row)
        for number, folder in enumerate(row):
            places[folder] = (MARGIN + number * (width + GAP), MARGIN + floor * (HEIGHT + GAP), width)
    height = 2 * MARGIN + len(ROWS) * (HEIGHT + GAP) - GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" role="img">',
        "<title>innkeepd's folders: each imports only from those below it</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for folder, (x, y, width) in places.items():
        lines.append(
            f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{HEIGHT}" rx="6" fill="#f4f7f7" stroke="#577"/>'
        )
        lines.append(f'<text x="{x + 10:.0f}" y="{y + 19}" font-size="14" font-weight="bold">{folder}</text>')
        for row, text in enumerate(wrap(sentence(folder), int((width - 16) / 6.2))[:3]):
            lines.append(f'<text x="{x + 10:.0f}" y="{y + 36 + row * 14}" font-size="11">{escape(text)}</text>')
        uses = ", ".join(sorted(used.get(folder, ())))
        if uses:
            short = wrap(f"imports {uses}", int((width - 16) / 5.0))
            words = short[0] + (" ..." if len(short) > 1 else "")
            lines.append(f'<text x="{x + 10:.0f}" y="{y + 79}" font-size="10" fill="#577">{escape(words)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> int:
    """Write the picture, or compare it. Returns the exit status."""
    drawn = picture()
    if "--check" in sys.argv[1:]:
        return int(not PICTURE.exists() or PICTURE.read_text(encoding="utf-8") != drawn)
    PICTURE.write_text(drawn, encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
