"""What survives a restart: selections, pins, what was learned of models, feedback; kept beside the decision records."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from innkeep.wire import DecisionRecord
from innkeepd.store.filters import RecordFilter
from innkeepd.store.records import Records

T = TypeVar("T")


class _Selection(msgspec.Struct, frozen=True):
    model: str | None = None
    roles: dict[str, str] = msgspec.field(default_factory=dict)


class _Hold(msgspec.Struct, frozen=True):
    until: float | None = None
    why: str = ""


class State:
    """Named values in the history's store; writing never waits and never fails a request."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._trouble: str | None = None

    def note(self, trouble: str | None) -> None:
        """What is wrong with the configuration that could not be read again; None: nothing any more."""
        self._trouble = trouble

    def warnings(self) -> list[str]:
        """What a person should know."""
        return [trouble for trouble in (self._trouble, self._records.degraded) if trouble]

    async def written(self) -> str | None:
        """None once what was put survives even a kill; else what to tell beside the promise that it may not."""
        if await self._records.written():
            return None
        why = self._records.degraded or "the disk is slow"
        return f"it holds now, but would not survive a restart: {why}"

    async def recent(self, limit: int) -> list[DecisionRecord]:
        """Decision records, newest first."""
        return self._with_feedback(await self._records.recent(limit))

    async def select(self, wanted: RecordFilter, limit: int) -> list[DecisionRecord]:
        """Decision records that pass a filter, newest first."""
        return self._with_feedback(await self._records.select(wanted, limit))

    async def find(self, prefix: str) -> list[DecisionRecord]:
        """Records whose id begins so; ``last`` is the newest one."""
        found = await (self._records.recent(1) if prefix == "last" else self._records.find(prefix))
        return self._with_feedback(found)

    def _with_feedback(self, records: list[DecisionRecord]) -> list[DecisionRecord]:
        feedback = self._feedback()
        return [msgspec.structs.replace(record, feedback=feedback.get(record.id)) for record in records]

    def selection(self) -> tuple[str | None, dict[str, str]]:
        """The model for every chat, and those for single roles."""
        kept = self._kept("selection", _Selection)
        return kept.model, dict(kept.roles)

    def put_selection(self, model: str | None, roles: Mapping[str, str]) -> None:
        """Keep what the user selected."""
        self._records.put("selection", {"model": model, "roles": dict(roles)})

    def pins(self) -> set[str]:
        """Names of pinned models."""
        return self._kept("pins", set[str])

    def put_pins(self, names: set[str]) -> None:
        """Keep the pins."""
        self._records.put("pins", sorted(names))

    def hold(self) -> tuple[float, str] | None:
        """The end of a hold, seconds since the epoch, with its reason; None where none was begun or it was ended."""
        kept = self._kept("hold", _Hold)
        return None if kept.until is None else (kept.until, kept.why)

    def put_hold(self, until: float | None, why: str = "") -> None:
        """Keep a hold, or that there is none any more."""
        self._records.put("hold", {"until": until, "why": why})

    def put_feedback(self, request: str, role: str) -> None:
        """Keep what the user says the role should have been; the newest thousand."""
        kept = self._feedback() | {request: role}
        self._records.put("feedback", dict(list(kept.items())[-1000:]))

    def learned(self) -> dict[str, Any]:
        """Estimates, as they were put."""
        return self._kept("learned", dict[str, Any])

    def put_learned(self, estimates: Mapping[str, Any]) -> None:
        """Keep estimates."""
        self._records.put("learned", dict(estimates))

    def _feedback(self) -> dict[str, str]:
        return self._kept("feedback", dict[str, str])

    def _kept(self, key: str, kind: type[T]) -> T:
        """A fact, or an empty one where there is none or it has another shape: a file may be damaged or edited."""
        try:
            return msgspec.convert(self._records.get(key), kind)
        except msgspec.ValidationError:
            return kind()
