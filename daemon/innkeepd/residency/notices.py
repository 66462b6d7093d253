"""Feeds the notice board with what is announced, and announces what it raises. An idle daemon is not woken for it."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from innkeepd.backends.ollama_proved import unproved
from innkeepd.policy.notices import GONE_AFTER, Facts, Notice, NoticeBoard
from innkeepd.residency.control import ResidencyControl

_HEARD = frozenset({"request", "residency", "memory", "backend"})


class NoticeWatch:
    """Judges after each event and before each status.

    ``notify`` gets every notice that is raised; ``later`` calls ``judge`` after so many seconds.
    """

    def __init__(
        self, control: ResidencyControl, notify: Callable[[Notice], None], later: Callable[[float], None]
    ) -> None:
        self._control = control
        self._notify = notify
        self._later = later
        self._board = NoticeBoard()
        control.on_event.append(self.hear)

    def active(self) -> list[Notice]:
        """What holds now, oldest first; ``since`` is in seconds since 1970."""
        self.judge()
        return [replace(each, since=self._control.wall(each.since)) for each in self._board.active]

    def hear(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Take one event."""
        if kind not in _HEARD:
            return
        if kind == "request":
            self._take_record(data)
        if (kind, what) == ("backend", "unreachable"):
            self._later(GONE_AFTER)  # nothing else may happen while Ollama is gone
        self.judge()

    def _take_record(self, data: dict[str, Any]) -> None:
        who, now = str(data.get("client") or data.get("door") or ""), self._control.now()
        if any(self._control.is_heavy(name) for name in data.get("evicted") or ()):
            self._board.swapped(who, str(data.get("model") or ""), now)
        if data.get("code") == "never_fits":
            chain = data.get("chain") or [""]
            self._board.never_fitted(who, str(chain[0]), now)

    def judge(self) -> None:
        """Announce what begins to hold."""
        for notice in self._board.judge(self._facts(), self._control.now()):
            data = {"notice": notice.kind, "subject": notice.subject}
            self._control.tell("log", notice.text, data)
            self._notify(notice)

    def _facts(self) -> Facts:
        control, ledger = self._control, self._control.scheduler.ledger
        seen = control.monitor.observation
        grown = ((control.name_of(each.weights), each.grown) for each in ledger.residents.values() if each.grown > 0)
        return Facts(
            pressure_is_critical=ledger.pressure == "critical",
            ollama_answers=seen is None or seen.reachable,
            unproved=unproved(seen.version if seen else None),
            used=ledger.used(),
            budget=ledger.budget,
            grown=tuple(grown),
        )
