"""What happened in the simulated Ollama, for tests to look at: bounded, in memory only."""

from collections import deque
from typing import Any

from msgspec import Struct


class Seen(Struct, frozen=True):
    """A request that came in. ``body`` is None where there was none or it was not JSON."""

    at: float
    method: str
    path: str
    body: dict[str, Any] | None = None


class Loaded(Struct, frozen=True):
    """A load that began. ``context`` in tokens, ``size`` in bytes."""

    at: float
    name: str
    weights: str
    context: int
    size: int


class Unloaded(Struct, frozen=True):
    """A runner that left ``/api/ps``.

    ``why``: ``asked``, ``expired``, ``evicted``, ``reload``, ``crash``, ``aborted``, ``failed`` or ``stopped``.
    """

    at: float
    name: str
    why: str


class Residency(Struct, frozen=True):
    """Who stood in memory from this instant on, loading and leaving ones too; ``heavy`` are the big ones among them."""

    at: float
    names: frozenset[str]
    heavy: frozenset[str]


class Journal:
    """The last ``length`` entries of each kind."""

    def __init__(self, length: int = 2000) -> None:
        self.requests: deque[Seen] = deque(maxlen=length)
        self.loads: deque[Loaded] = deque(maxlen=length)
        self.unloads: deque[Unloaded] = deque(maxlen=length)
        self.residents: deque[Residency] = deque(maxlen=length)
        self.left: deque[str] = deque(maxlen=length)
        """Models whose client left before the end of the answer."""
        self.violations: list[str] = []
        """Requests that innkeep must never send."""
        self.most_heavy = 0
        """Most heavy models that ever stood in memory at one instant."""

    def note_residents(self, at: float, names: frozenset[str], heavy: frozenset[str]) -> None:
        """Write down who stands in memory from now on."""
        self.residents.append(Residency(at, names, heavy))
        self.most_heavy = max(self.most_heavy, len(heavy))
