"""Which decision records a reader wants: pure."""

from msgspec import Struct

from innkeep.wire import DecisionRecord


class RecordFilter(Struct, frozen=True):
    """Conditions that must all hold; None: any.

    ``since`` is seconds since 1970, ``slower`` seconds that the request took at least, ``outcome`` an outcome or an
    error's code. A ``model`` without a tag is its ``:latest``.
    """

    since: float | None = None
    model: str | None = None
    role: str | None = None
    outcome: str | None = None
    slower: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every record passes."""
        return self == RecordFilter()

    def takes(self, record: DecisionRecord) -> bool:
        """Whether a record passes."""
        return (
            (self.since is None or record.asked_at >= self.since)
            and self.model in {None, record.model, (record.model or "").removesuffix(":latest")}
            and self.role in {None, record.role}
            and self.outcome in {None, record.outcome, record.code}
            and (self.slower is None or record.timings.total >= self.slower)
        )
