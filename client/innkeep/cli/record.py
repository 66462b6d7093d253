"""Decision records as text: pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from innkeep.cli.render import Paint, headed, plain
from innkeep.cli.story import story
from innkeep.cli.table import columns
from innkeep.cli.units import clock, seconds
from innkeep.wire import DecisionRecord


def history_text(records: Sequence[DecisionRecord], paint: Paint = plain, cells: int | None = None) -> str:
    """A table of records, newest first as they came. Columns that say the same in each row are left out."""
    if not records:
        return "no request has been answered yet"
    heads = ["ID", "ASKED", "KIND", "CLASS", "CLIENT", "ROLE", "MODEL", "WAITED", "TOTAL", "TOKENS", "OUTCOME"]
    rows = [
        [
            record.id or "-",
            _asked(record),
            record.kind,
            record.priority,
            record.client or "-",
            record.role or "-",
            record.model or "-",
            seconds(record.timings.queued),
            seconds(record.timings.total),
            str(record.completion_tokens) if record.completion_tokens else "-",
            record.code or record.outcome or "-",
        ]
        for record in map(_printable, records)
    ]
    usual = {"KIND": "chat", "CLASS": "interactive", "CLIENT": "-"}
    silent = [at for at, head in enumerate(heads) if all(row[at] == usual.get(head) for row in rows)]
    heads, *rows = [[word for at, word in enumerate(row) if at not in silent] for row in (heads, *rows)]
    right, drop = {"WAITED", "TOTAL", "TOKENS"}, ("CLIENT", "CLASS", "TOKENS", "ROLE", "KIND")
    return "\n".join(headed(columns(heads, rows, right=right, cells=cells, drop=drop), paint))


def explain_text(record: DecisionRecord, paint: Paint = plain) -> str:
    """Everything about one request, in the order in which it happened."""
    record = _printable(record)
    facts = [
        ("asked", _asked(record) + _by(record)),
        ("kind", record.kind if record.kind != "chat" else ""),
        ("route", _route(record)),
        ("chain", ", ".join(record.chain)),
        ("waited", "; ".join(dict.fromkeys([seconds(record.timings.queued), *record.waits]))),
        ("unloaded", ", ".join(record.evicted)),
        *_attempts(record),
        ("outcome", _outcome(record)),
        ("tokens", _tokens(record)),
        ("times", _times(record)),
        ("warnings", "; ".join(record.warnings)),
        ("feedback", f"should have been {record.feedback}" if record.feedback else ""),
    ]
    lines = [f"{paint('dim', f'{head:<12}')}  {text}" for head, text in facts if text]
    parts = [story(record)] if record.timings.total else []
    return "\n".join([paint("bold", f"request {record.id or '-'}"), *parts, *lines])


def _printable(record: DecisionRecord) -> DecisionRecord:
    """With every control character shown as a space: a client chose these words, and a terminal would obey them."""
    return msgspec.convert(_cleaned(msgspec.to_builtins(record)), DecisionRecord)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else " " for letter in value)
    if isinstance(value, dict):
        return {key: _cleaned(inner) for key, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, list) else value


def _asked(record: DecisionRecord) -> str:
    return clock(record.asked_at) if record.asked_at else "-"


def _by(record: DecisionRecord) -> str:
    words = [record.priority]
    words += [f"by {record.client}"] if record.client else []
    words += [f"via {record.door}"] if record.door not in ("", "socket") else []
    words += [f"session {record.session}" + (" (last turn)" if record.last else "")] if record.session else []
    return f", {', '.join(words)}"


def _route(record: DecisionRecord) -> str:
    if not record.role:
        return ""
    confidence = "" if record.confidence is None else f" (confidence {record.confidence:.2f})"
    return f"{record.role}{confidence}" + (f": {record.reason}" if record.reason else "")


def _attempts(record: DecisionRecord) -> list[tuple[str, str]]:
    lines = []
    for number, attempt in enumerate(record.attempts, start=1):
        code = f", {attempt.code}" if attempt.code else ""
        took = f", {seconds(attempt.seconds)}" if attempt.seconds else ""
        why = f": {attempt.message}" if attempt.message else ""
        lines.append((f"attempt {number}", f"{attempt.model} {attempt.outcome}{code}{took}{why}"))
    return lines


def _outcome(record: DecisionRecord) -> str:
    words = ", ".join(dict.fromkeys(word for word in (record.outcome, record.code) if word))
    return f"{words}: {record.message}" if record.message else words


def _tokens(record: DecisionRecord) -> str:
    """What the engine counted; it counts nothing of an answer that was cut off."""
    if record.outcome != "answered" and not record.completion_tokens:
        return "not counted: the answer did not end" if record.timings.first_token is not None else ""
    return f"{record.prompt_tokens} in the prompt, {record.completion_tokens} in the answer"


def _times(record: DecisionRecord) -> str:
    times = record.timings
    facts = [f"{seconds(times.queued)} in line"]
    facts += [f"{seconds(times.swap)} of that for a swap"] if times.swap else []
    facts += [] if times.first_token is None else [f"{seconds(times.first_token)} to the first token"]
    facts.append(f"{seconds(times.total)} in all")
    return ", ".join(facts + ([f"{times.tokens_per_second:.1f} tokens/s"] if times.tokens_per_second else []))
