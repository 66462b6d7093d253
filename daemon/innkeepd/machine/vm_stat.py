"""Text that people and bug reports send: the output of ``vm_stat``, and ``sysctl`` values as lines.

Labels are compared whole and never by column or by part: macOS 26 widened the columns, and chips that tag memory
print eleven more lines, among them "Pages tag-storage free". A line that we can't use is kept, so that a report loses
nothing.
"""

import re
from collections.abc import Iterable

from msgspec import Struct

_HEADER = re.compile(r"page size of (\d+) bytes")
_LINE = re.compile(r'^"?([^":]+)"?:\s+(\d{1,19})\.?$')
# Nineteen digits are all that 64 bits hold: what is longer is garbage, and no number of a machine.
_SYSCTL = re.compile(r"^([A-Za-z0-9_.]+)\s*[:=]\s*([^#]*?)\s*(?:#.*)?$")
_SWAP = re.compile(r"(total|used) = (\d+(?:[.,]\d+)?)([KMGT])")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}

QUANTITIES = {
    "Pages free": "free",
    "Pages active": "active",
    "Pages inactive": "inactive",
    "Pages speculative": "speculative",
    "Pages wired down": "wired",
    "Pages purgeable": "purgeable",
    "File-backed pages": "file_backed",
    "Anonymous pages": "anonymous",
    "Pages stored in compressor": "compressor_stored",
    "Pages occupied by compressor": "compressor_occupied",
    "Swapins": "swapins",
    "Swapouts": "swapouts",
}
"""Whole labels of ``vm_stat`` and the fields of ``Reading`` that they fill, in pages."""

_COUNTERS = frozenset(
    {
        "Pages throttled",
        "Translation faults",
        "Pages copy-on-write",
        "Pages zero filled",
        "Pages reactivated",
        "Pages purged",
        "Decompressions",
        "Compressions",
        "Pageins",
        "Pageouts",
    }
)


class VmStat(Struct, frozen=True):
    """``pages`` by whole label; ``page_size`` in bytes, None without a header; lines of other labels in ``unknown``."""

    page_size: int | None
    pages: dict[str, int]
    unknown: tuple[str, ...] = ()

    def quantities(self, page_size: int | None = None) -> dict[str, int]:
        """Bytes by the names of ``Reading``; ``page_size`` stands in where there was no header."""
        size = self.page_size or page_size
        if not size:
            return {}
        return {name: self.pages[label] * size for label, name in QUANTITIES.items() if label in self.pages}


def parse_vm_stat(text: str) -> VmStat:
    """The snapshot that ``vm_stat`` prints without arguments, of any macOS."""
    page_size = None
    pages: dict[str, int] = {}
    unknown = []
    for line in _lines(text):
        if header := _HEADER.search(line):
            page_size = int(header[1])
            continue
        match = _LINE.match(line)
        if match is None or match[1] not in QUANTITIES.keys() | _COUNTERS:
            unknown.append(line)
        if match is not None:
            pages[match[1]] = int(match[2])
    return VmStat(page_size, pages, tuple(unknown))


def parse_sysctl(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Values by name from ``name: value`` or ``name = value`` lines (the last one counts), and the other lines."""
    values: dict[str, str] = {}
    unknown = []
    for line in _lines(text):
        match = _SYSCTL.match(line)
        if match is None or not match[2]:
            unknown.append(line)
        else:
            values[match[1]] = match[2]
    return values, tuple(unknown)


def parse_swap(text: str) -> tuple[int, int] | None:
    """(total, used) bytes of ``vm.swapusage``: ``total = 2048.00M  used = 990.81M ...``; some locales write a comma."""
    found = {name: float(number.replace(",", ".")) * _UNITS[unit] for name, number, unit in _SWAP.findall(text)}
    return (round(found["total"]), round(found["used"])) if len(found) == 2 else None


def _lines(text: str) -> Iterable[str]:
    return (line.strip() for line in text.splitlines() if line.strip())
