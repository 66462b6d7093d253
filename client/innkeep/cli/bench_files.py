"""Earlier runs of ``innkeep bench`` on this machine: a JSON file each in ``bench`` of the home folder."""

import time
from contextlib import suppress
from pathlib import Path

import msgspec

from innkeep.cli.bench_result import Bench
from innkeep.paths import home

KEPT = 50
"""Files that are kept; the oldest go."""


def folder() -> Path:
    """Where they lie."""
    return home() / "bench"


def save(bench: Bench) -> Path:
    """Write a run to a file of its own and prune the oldest. Raises ``OSError``."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(bench.at))
    path = folder() / f"{stamp}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(bench)) + b"\n")
    for old in sorted(folder().glob("*.json"))[:-KEPT]:
        with suppress(OSError):
            old.unlink()
    return path


def earlier(before: Bench) -> list[Bench]:
    """Runs of the same machine before this one, newest first; a file that cannot be read is passed over."""
    found: list[Bench] = []
    for path in sorted(folder().glob("*.json"), reverse=True):
        with suppress(OSError, msgspec.DecodeError):
            found.append(msgspec.json.decode(path.read_bytes(), type=Bench))
    same = (before.machine, before.total, before.simulated)
    return [one for one in found if (one.machine, one.total, one.simulated) == same and one.at < before.at]
