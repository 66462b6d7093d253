"""Decision records as comma-separated values: pure. Columns are only added, at the end."""

import csv
import io
import time
from collections.abc import Sequence

from innkeep.wire import DecisionRecord

COLUMNS = (
    "id", "asked_at", "asked", "kind", "class", "client", "door", "session", "role", "model", "outcome", "code",
    "queued_s", "swap_s", "first_token_s", "total_s", "tokens_per_s", "prompt_per_s", "prompt_tokens",
    "completion_tokens", "attempts", "evicted", "reason",
)  # fmt: skip
"""Times are seconds; ``asked_at`` is seconds since 1970, ``asked`` the same as local time in ISO 8601."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(records: Sequence[DecisionRecord]) -> str:
    """A head line and a line a record, newest first as they came, without the newline at the end."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(record) for record in records)
    return out.getvalue().rstrip("\n")


def _row(record: DecisionRecord) -> list[object]:
    times = record.timings
    asked = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.asked_at))
    models = " > ".join(attempt.model for attempt in record.attempts)
    values: tuple[object, ...] = (
        record.id, record.asked_at, asked, record.kind, record.priority, record.client, record.door, record.session,
        record.role, record.model, record.outcome, record.code, times.queued, times.swap, times.first_token,
        times.total, times.tokens_per_second, times.prompt_per_second, record.prompt_tokens,
        record.completion_tokens, models, " ".join(record.evicted), record.reason,
    )  # fmt: skip
    return [_safe(value) for value in values]


def _safe(value: object) -> object:
    """A client's words must not become a formula where a spreadsheet opens the file."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
