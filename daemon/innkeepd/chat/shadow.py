"""What routing would have changed: chats that name a model, counted by where the router would have sent them."""

from collections import Counter
from typing import NamedTuple

__all__ = ["Seen", "Shadow"]

MOST = 256
"""Different rows that are kept; chats of further ones are counted together as ``other``."""


class Seen(NamedTuple):
    """``model`` was named; the router would have said ``role`` and given ``would``."""

    model: str
    role: str
    would: str


class Shadow:
    """Counts in memory, since the daemon's start. No text is kept."""

    def __init__(self) -> None:
        self.counts: Counter[Seen] = Counter()

    def __repr__(self) -> str:
        return f"Shadow({self.counts.total()} chats)"

    def count(self, seen: Seen) -> None:
        """One chat."""
        known = seen in self.counts or len(self.counts) < MOST
        self.counts[seen if known else Seen("other", seen.role, "other")] += 1
