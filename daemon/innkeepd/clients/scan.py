"""Which clients are installed here, and which of them ask Ollama instead of innkeep, by their configuration files."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from innkeepd.clients.table import Client, clients, place_of

LARGEST = 2**20
"""Bytes of a file that are read; an agent's own configuration has some thousand."""


class Sighting(Struct, frozen=True):
    """A client: its files that exist, those of them that name ``ports``, and whether its program is on PATH."""

    client: str
    files: list[Path]
    naming: dict[int, list[Path]]
    is_installed: bool


def look(
    environ: Mapping[str, str], home: Path, platform: str, ports: tuple[int, ...], only: Client | None = None
) -> list[Sighting]:
    """Look at every client of the table, or at one. A file that cannot be read is passed over."""
    found = []
    for client in [only] if only is not None else clients().values():
        paths = [place_of(file, environ, home, platform) for file in client.files]
        texts = {path: text for path in paths if (text := _text(path)) is not None}
        naming = {port: [path for path, text in texts.items() if names_port(text, port)] for port in ports}
        on_path = any(shutil.which(name, path=environ.get("PATH")) for name in client.processes)
        found.append(Sighting(client.name, list(texts), naming, on_path))
    return found


def names_port(text: str, port: int) -> bool:
    """Whether a line that is no comment names this port of a machine's own: ``127.0.0.1:11434``."""
    address = re.compile(rf"(?:127\.0\.0\.1|localhost|\[::1\]|0\.0\.0\.0):{port}(?!\d)")
    return any(address.search(line) and not line.lstrip().startswith(("#", "//")) for line in text.splitlines())


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST).decode(errors="replace")
    except OSError:
        return None
