"""What happened in the simulated Ollama, for tests to look at: bounded, in memory only."""

from collections import Counter, deque
from collections.abc import Iterable
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


class Reloaded(Struct, frozen=True):
    """A runner that left because a request wanted another one. ``why``: the launch attributes that differed."""

    at: float
    name: str
    why: tuple[str, ...]


class Read(Struct, frozen=True):
    """A prompt that was read: its ``tokens``, and those of them that the runner had ``cached`` and did not read."""

    at: float
    name: str
    tokens: int
    cached: int


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
        self.reloads: deque[Reloaded] = deque(maxlen=length)
        self.reads: deque[Read] = deque(maxlen=length)
        self.load_count = 0
        self.reload_reasons: Counter[str] = Counter()
        """Reloads for the whole life by launch attribute; one reload may count under several."""
        self.sent_away: deque[Seen] = deque(maxlen=length)
        """Requests that went on to another host."""
        self.unloads: deque[Unloaded] = deque(maxlen=length)
        self.residents: deque[Residency] = deque(maxlen=length)
        self.left: deque[str] = deque(maxlen=length)
        """Models whose client left before the end of the answer."""
        self.violations: list[str] = []
        """Requests that innkeep must never send."""
        self.most_heavy = 0
        """Most heavy models that ever stood in memory at one instant."""

    def note_load(self, load: Loaded) -> None:
        """Write down a load that begins."""
        self.loads.append(load)
        self.load_count += 1

    def note_reload(self, at: float, name: str, why: Iterable[str]) -> None:
        """Record a runner that is unloaded because a request wants other launch attributes."""
        self.reloads.append(Reloaded(at, name, tuple(why)))
        self.reload_reasons.update(self.reloads[-1].why)

    def note_residents(self, at: float, names: frozenset[str], heavy: frozenset[str]) -> None:
        """Record the set of loaded models from now on."""
        self.residents.append(Residency(at, names, heavy))
        self.most_heavy = max(self.most_heavy, len(heavy))
