"""One model's life in memory, as a table.

    absent ──load──▶ loading ──loaded──▶ resident ──unload──▶ unloading ──gone──▶ absent
    loading ──failed──▶ absent          absent ──seen──▶ resident (somebody else loaded it)
    resident ──vanished──▶ absent       unloading ──stayed──▶ resident

*Draining* is no state of its own: a resident that yields to another starts nothing new, and whether it yields is judged
again at each event (``turns.py``). A model that failed to load is absent and *cooling*: it is not tried again for a
while.
"""

from msgspec import Struct

LEAST_GROWTH = 64 * 2**20
"""Bytes of growth below which a process counts as it was loaded: buffers are touched late, heaps breathe."""

ABSENT, LOADING, RESIDENT, UNLOADING = "absent", "loading", "resident", "unloading"

TRANSITIONS: dict[tuple[str, str], str] = {
    (ABSENT, "load"): LOADING,
    (ABSENT, "seen"): RESIDENT,
    (LOADING, "loaded"): RESIDENT,
    (LOADING, "failed"): ABSENT,
    (RESIDENT, "unload"): UNLOADING,
    (RESIDENT, "vanished"): ABSENT,
    (UNLOADING, "gone"): ABSENT,
    (UNLOADING, "stayed"): RESIDENT,
}


class IllegalTransition(Exception):
    """A residency was told something that cannot happen in its state; the message names both."""


class Residency(Struct):
    """A model that is in memory or on its way in or out. ``footprint`` counts from the beginning of its load."""

    weights: str
    context: int
    footprint: int
    heavy: bool
    state: str = ABSENT
    since: float = 0.0
    """When it entered its state."""
    op: int = 0
    """The load or unload under way."""
    owned: bool = True
    """False where another program loaded it."""
    used: float = 0.0
    """When it last worked or arrived."""
    expires: float | None = None
    """What Ollama says of its end, epoch seconds."""
    renewing: int = 0
    """The renewal under way; 0: none."""
    renewed: float = float("-inf")
    """When its last renewal began."""
    started: int = 0
    """How many requests it began since its load."""
    gate: tuple[str, ...] = ()
    """The tickets that it serves before anybody overdue may take its place (``turns.py``)."""
    session_until: float = 0.0
    """Another turn of a session is expected before this."""
    wanted_by: str | None = None
    """For whom it is being unloaded."""
    leaving: bool = False
    """The user asked for it to go."""
    spared: bool = False
    """It came during a hold by somebody else's wish, so the hold leaves it alone."""
    looked: float = 0.0
    """When the last answer of ``/api/ps`` that showed it was asked for."""
    stays: int = 0
    """How many unloads of it have failed in a row."""
    rest_until: float = 0.0
    """It did not go last time: it is not tried again before this."""
    fresh: int = 0
    """Bytes that it took right after its load; 0: not told apart from ``footprint``, which counts its growth too."""
    process: int | None = None
    """Bytes that its process held when it was last weighed."""
    private: int | None = None
    """The least private bytes that its process was weighed with: what lies above is growth."""
    warm_until: float = 0.0
    """Until then its prompt cache is a conversation's that is likely to go on (``errands``)."""
    on_cpu: int | None = None
    """Bytes of it that run on the CPU beside a GPU, as ``/api/ps`` tells; None: not known, or no GPU."""

    def turn(self, event: str, now: float) -> None:
        """Go to the next state. Raises ``IllegalTransition``."""
        to = TRANSITIONS.get((self.state, event))
        if to is None:
            raise IllegalTransition(f"{self.weights} is {self.state}: it cannot be '{event}'")
        self.state = to
        self.since = now

    def stay(self, now: float) -> None:
        """It was told to go and did not: it is left alone for 5 s, doubling to 60, or we would try without end."""
        self.turn("stayed", now)
        self.stays += 1
        self.rest_until = now + min(60.0, 5.0 * 2 ** min(self.stays - 1, 4))
        self.leaving = False

    @property
    def settled(self) -> int:
        """Bytes without what it has grown since its load."""
        return self.fresh or self.footprint

    @property
    def grown(self) -> int:
        """Bytes that it has grown since its load."""
        return self.footprint - self.settled

    def take(self, size: int) -> None:
        """It takes at least ``size`` bytes without any growth."""
        grown = self.grown
        self.fresh = max(self.settled, size)
        self.footprint = max(self.footprint, self.fresh + grown if grown else self.fresh)

    def weigh(self, total: int, private: int) -> None:
        """Its process was weighed, bytes. Growth is what is private beyond the least seen, or all beyond its load.

        Where weights are mapped from their file, ``private`` leaves them out and ``total`` may do so too.
        """
        self.process = total
        self.private = private if self.private is None else min(self.private, private)
        counted = max(total, self.settled + private - self.private)
        self.fresh = self.settled
        self.footprint = counted if counted - self.fresh >= LEAST_GROWTH else self.fresh

    @property
    def is_resident(self) -> bool:
        """Whether it can work now."""
        return self.state == RESIDENT


class Cooling(Struct, frozen=True):
    """How long a model is left alone after failed loads: 60 s, doubling to 10 min."""

    until: float
    failures: int
    code: str
    message: str

    @staticmethod
    def after(before: "Cooling | None", code: str, message: str, now: float) -> "Cooling":
        """One more failure."""
        failures = before.failures + 1 if before else 1
        return Cooling(now + min(600.0, 60.0 * 2 ** min(failures - 1, 4)), failures, code, message)
