"""Which few things a person should be told of, and when: plain state, fed with facts and instants in seconds.

A notice is *active* while its condition holds and is *raised* when it begins to hold, at most once in ``AGAIN`` for the
same kind and subject, so that something that comes and goes does not ring all day.
"""

from collections import Counter, deque
from typing import Literal, TypeAlias

from msgspec import Struct

NoticeKind: TypeAlias = Literal[
    "swap_storm", "never_fits", "memory_pressure", "ollama_gone", "unproved_version", "over_budget"
]

WINDOW = 600.0
"""Seconds over which swaps are counted."""
STORM = 6
"""Heavy swaps in ``WINDOW`` that make a storm: one in 100 s, while a turn alone gives a model 90 s."""
NEVER_WINDOW = 3600.0
NEVER = 3
"""Requests in ``NEVER_WINDOW`` for a model that never fits."""
GONE_AFTER = 10.0
"""Seconds without an answer after which Ollama counts as gone: its app takes a few to start anew."""
AGAIN = 3600.0
"""Seconds in which the same notice is raised once."""
REMEMBERED = 1000
"""Swaps and refusals that are kept at most."""
NAMED = 3
"""Clients that a storm's text names."""


_Key: TypeAlias = tuple[NoticeKind, str]
"""Kind and subject."""


class Notice(Struct, frozen=True):
    """One thing to be told: ``subject`` is the model where it is about one, ``since`` when it began."""

    kind: NoticeKind
    text: str
    since: float
    subject: str = ""


class Facts(Struct, frozen=True):
    """The state that notices are judged by. ``grown``: (model, bytes) of those that have grown since their load."""

    pressure_is_critical: bool = False
    ollama_answers: bool = True
    unproved: str | None = None
    used: int = 0
    budget: int = 0
    grown: tuple[tuple[str, int], ...] = ()


class NoticeBoard:
    """Takes what happens and gives the notices that hold. One object for the life of the daemon."""

    def __init__(self) -> None:
        self._swaps: deque[tuple[float, str, str]] = deque(maxlen=REMEMBERED)
        self._refusals: deque[tuple[float, str, str]] = deque(maxlen=REMEMBERED)
        self._gone_since: float | None = None
        self._active: dict[_Key, Notice] = {}
        self._raised: dict[_Key, float] = {}

    def __repr__(self) -> str:
        return f"<NoticeBoard {sorted(self._active)}>"

    def swapped(self, client: str, model: str, now: float) -> None:
        """A request of ``client`` made a heavy model leave for ``model``."""
        self._swaps.append((now, client or "somebody", model))

    def never_fitted(self, client: str, model: str, now: float) -> None:
        """A request of ``client`` was refused because ``model`` never fits."""
        self._refusals.append((now, client or "somebody", model))

    def judge(self, facts: Facts, now: float) -> list[Notice]:
        """Take the state at ``now``; gives the notices that are to be raised. ``active`` has all that hold."""
        self._gone_since = None if facts.ollama_answers else self._gone_since if self._gone_since is not None else now
        found: dict[_Key, str] = {
            (kind, subject): text
            for kind, subject, text in (
                *self._storm(now),
                *self._never(now),
                *self._of_the_machine(facts, now),
            )
        }
        raised: list[Notice] = []
        for key, text in found.items():
            before = self._active.get(key)
            notice = Notice(key[0], text, before.since if before else now, key[1])
            self._active[key] = notice
            if before is None and now - self._raised.get(key, float("-inf")) >= AGAIN:
                self._raised[key] = now
                raised.append(notice)
        for key in self._active.keys() - found.keys():
            del self._active[key]
        self._raised = {key: at for key, at in self._raised.items() if now - at < AGAIN}
        return raised

    @property
    def active(self) -> list[Notice]:
        """What held when it was last judged, oldest first."""
        return sorted(self._active.values(), key=lambda notice: notice.since)

    # ---- each kind ----

    def _storm(self, now: float) -> list[tuple[NoticeKind, str, str]]:
        recent = [swap for swap in self._swaps if now - swap[0] < WINDOW]
        if len(recent) < STORM:
            return []
        who = Counter(client for _, client, _ in recent).most_common(NAMED)
        models = ", ".join(sorted({model for _, _, model in recent}))
        causes = ", ".join(f"{client} ({count})" for client, count in who)
        text = f"{len(recent)} swaps of large models in {WINDOW / 60:.0f} min, caused by {causes}; for {models}"
        return [("swap_storm", "", f"{text}; one model for all of them, or the class batch, would spare most")]

    def _never(self, now: float) -> list[tuple[NoticeKind, str, str]]:
        recent = [each for each in self._refusals if now - each[0] < NEVER_WINDOW]
        found: list[tuple[NoticeKind, str, str]] = []
        for model, count in Counter(model for _, _, model in recent).items():
            if count >= NEVER:
                who = ", ".join(sorted({client for _, client, one in recent if one == model})[:NAMED])
                text = f"{model} never fits this machine and was asked for {count} times in an hour by {who}"
                found.append(("never_fits", model, f"{text}; `innkeep models list` shows what fits"))
        return found

    def _of_the_machine(self, facts: Facts, now: float) -> list[tuple[NoticeKind, str, str]]:
        found: list[tuple[NoticeKind, str, str]] = []
        if facts.pressure_is_critical:
            text = "the system is critically short of memory: no model is loaded until that is over"
            found.append(("memory_pressure", "", text))
        if self._gone_since is not None and now - self._gone_since >= GONE_AFTER:
            found.append(("ollama_gone", "", "Ollama does not answer; `innkeep doctor` looks for the reason"))
        if facts.unproved is not None:
            found.append(("unproved_version", "", facts.unproved))
        if facts.grown and facts.used > facts.budget:
            name, size = max(facts.grown, key=lambda one: one[1])
            over = (facts.used - facts.budget) / 2**30
            text = f"models take {over:.1f} GiB more than the budget: {name} has grown by {size / 2**30:.1f} GiB"
            found.append(("over_budget", name, f"{text} since its load; it is loaded anew once it is idle"))
        return found
