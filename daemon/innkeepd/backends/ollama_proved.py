"""The versions of Ollama that innkeep was proved with, and what to say of another one."""

import re

PROVED = ("0.17.4", "0.33.0")
"""Versions that the live tests run against, oldest first."""

_NUMBERS = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


def unproved(version: str | None) -> str | None:
    """A sentence about a version that innkeep was never tested with; None for a tested one and for no version.

    A build from source reports ``0.0.0``, which names no version.
    """
    found = _NUMBERS.match((version or "").strip())
    if found is None or not any(map(int, found.groups())) or ".".join(found.groups()) in PROVED:
        return None
    return (
        f"Ollama {version} was never tested with innkeep (tested: {', '.join(PROVED)}; the newest of them is "
        f"{PROVED[-1]}); innkeep treats it like the nearest version that it knows"
    )
