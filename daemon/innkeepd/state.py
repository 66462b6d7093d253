"""What survives a restart: selections, pins, what was learned of models, feedback; kept beside the decision records."""

from collections.abc import Mapping
from typing import Any

from innkeepd.history import Records


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

    async def written(self) -> None:
        """Return once what was put survives even a kill: a promise to a person is told after it holds."""
        await self._records.written()

    async def recent(self, limit: int) -> list[dict[str, Any]]:
        """Decision records, newest first."""
        return [self._with_feedback(record) for record in await self._records.recent(limit)]

    async def find(self, prefix: str) -> list[dict[str, Any]]:
        """Records whose id begins so; ``last`` is the newest one."""
        found = await (self._records.recent(1) if prefix == "last" else self._records.find(prefix))
        return [self._with_feedback(record) for record in found]

    def _with_feedback(self, record: dict[str, Any]) -> dict[str, Any]:
        said = self._records.get("feedback", {}).get(record.get("id"))
        return record | {"feedback": said} if said else record

    def selection(self) -> tuple[str | None, dict[str, str]]:
        """The model for every chat, and those for single roles."""
        kept = self._records.get("selection", {})
        return kept.get("model"), dict(kept.get("roles", {}))

    def put_selection(self, model: str | None, roles: Mapping[str, str]) -> None:
        """Keep what the user selected."""
        self._records.put("selection", {"model": model, "roles": dict(roles)})

    def pins(self) -> set[str]:
        """Names of pinned models."""
        return set(self._records.get("pins", []))

    def put_pins(self, names: set[str]) -> None:
        """Keep the pins."""
        self._records.put("pins", sorted(names))

    def put_feedback(self, request: str, role: str) -> None:
        """Keep what the user says the role should have been; the newest thousand."""
        kept = self._records.get("feedback", {}) | {request: role}
        self._records.put("feedback", dict(list(kept.items())[-1000:]))

    def learned(self) -> dict[str, Any]:
        """Estimates, as they were put."""
        kept: dict[str, Any] = self._records.get("learned", {})
        return kept

    def put_learned(self, estimates: Mapping[str, Any]) -> None:
        """Keep estimates."""
        self._records.put("learned", dict(estimates))
