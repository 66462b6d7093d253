"""Decision records, the maps of ``history``, as text: pure, and content with whatever fields a record has."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from innkeep.cli.render import Paint, headed, plain
from innkeep.cli.table import columns
from innkeep.cli.units import clock, seconds

Record: TypeAlias = Mapping[str, Any]
"""Fields that are told by name: ``_TOLD``. ``asked_at`` is seconds since the epoch, ``timings`` those of ``done``,
``waits`` reasons (or maps with one), ``evicted`` names; all others follow under their own names."""

_TOLD = {
    *(
        "id",
        "asked_at",
        "class",
        "priority",
        "client",
        "session",
        "last",
        "role",
        "confidence",
        "reason",
        "chain",
        "model",
    ),
    *("outcome", "code", "message", "attempts", "timings", "waits", "evicted", "prompt_tokens", "completion_tokens"),
    "warnings",
}


def history_text(records: Sequence[Record], paint: Paint = plain) -> str:
    """A table of records, newest first as they came."""
    if not records:
        return "no request has been answered yet"
    records = [_printable(record) for record in records]
    heads = ["ID", "ASKED", "CLASS", "ROLE", "MODEL", "WAITED", "TOTAL", "TOKENS", "OUTCOME"]
    rows = [
        [
            str(record.get("id", "-")),
            _asked(record),
            str(record.get("class", record.get("priority", "-"))),
            _word(record, "role"),
            _word(record, "model"),
            _time(record, "queued"),
            _time(record, "total"),
            _word(record, "completion_tokens"),
            _outcome(record),
        ]
        for record in records
    ]
    return "\n".join(headed(columns(heads, rows, right={"WAITED", "TOTAL", "TOKENS"}), paint))


def explain_text(record: Record, paint: Paint = plain) -> str:
    """Everything about one request, in the order in which it happened."""
    record = _printable(record)
    facts = [
        ("asked", _asked(record) + _by(record)),
        ("route", _route(record)),
        ("chain", ", ".join(str(name) for name in record.get("chain") or ())),
        ("waited", _waited(record)),
        ("unloaded", ", ".join(str(name) for name in record.get("evicted") or ())),
        *_attempts(record),
        ("outcome", _outcome(record, in_full=True)),
        ("tokens", _tokens(record)),
        ("times", _times(record)),
        ("warnings", "; ".join(str(warning) for warning in record.get("warnings") or ())),
        *((str(key), _value(value)) for key, value in record.items() if key not in _TOLD),
    ]
    lines = [f"{paint('dim', f'{head:<12}')}  {text}" for head, text in facts if text]
    return "\n".join([paint("bold", f"request {record.get('id', '-')}"), *lines])


def _printable(value: Any) -> Any:
    """With every control character shown as a space: a client chose these words, and a terminal would obey them."""
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else " " for letter in value)
    if isinstance(value, Mapping):
        return {key: _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _asked(record: Record) -> str:
    at = record.get("asked_at")
    return clock(float(at)) if isinstance(at, int | float) else "-"


def _by(record: Record) -> str:
    words = [str(record[key]) for key in ("class", "priority") if record.get(key)][:1]
    words += [f"by {record['client']}"] if record.get("client") else []
    words += (
        [f"session {record['session']}" + (" (last turn)" if record.get("last") else "")]
        if record.get("session")
        else []
    )
    return f", {', '.join(words)}" if words else ""


def _route(record: Record) -> str:
    if not record.get("role"):
        return ""
    sure = record.get("confidence")
    confidence = f" (confidence {sure:.2f})" if isinstance(sure, int | float) else ""
    return f"{record['role']}{confidence}" + (f": {record['reason']}" if record.get("reason") else "")


def _waited(record: Record) -> str:
    told = [
        str(wait.get("reason", wait)) if isinstance(wait, Mapping) else str(wait) for wait in record.get("waits") or ()
    ]
    queued = _time(record, "queued")
    return "; ".join([*([] if queued == "-" else [queued]), *dict.fromkeys(told)])


def _attempts(record: Record) -> list[tuple[str, str]]:
    lines = []
    for number, attempt in enumerate(record.get("attempts") or (), start=1):
        code = f", {attempt['code']}" if attempt.get("code") else ""
        why = f": {attempt['message']}" if attempt.get("message") else ""
        took = f", {seconds(float(attempt['seconds']))}" if attempt.get("seconds") else ""
        lines.append(
            (f"attempt {number}", f"{attempt.get('model', '-')} {attempt.get('outcome', '')}{code}{took}{why}")
        )
    return lines


def _outcome(record: Record, *, in_full: bool = False) -> str:
    outcome, code = record.get("outcome"), record.get("code")
    words = str(code or outcome or "-") if not in_full else ", ".join(str(word) for word in (outcome, code) if word)
    return f"{words}: {record['message']}" if in_full and record.get("message") else words


def _tokens(record: Record) -> str:
    prompt, completion = record.get("prompt_tokens"), record.get("completion_tokens")
    return (
        "" if prompt is None and completion is None else f"{prompt or 0} in the prompt, {completion or 0} in the answer"
    )


def _times(record: Record) -> str:
    names = {"queued": "in line", "swap": "of that for a swap", "first_token": "to the first token", "total": "in all"}
    told = {words: _time(record, key) for key, words in names.items()}
    pace = (record.get("timings") or {}).get("tokens_per_second")
    facts = [f"{value} {words}" for words, value in told.items() if value != "-"]
    return ", ".join(facts + ([f"{pace:.1f} tokens/s"] if isinstance(pace, int | float) else []))


def _time(record: Record, key: str) -> str:
    value = (record.get("timings") or {}).get(key)
    return seconds(float(value)) if isinstance(value, int | float) else "-"


def _word(record: Record, key: str) -> str:
    value = record.get(key)
    return "-" if value is None else str(value)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_value(one) for one in value)
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else str(value)
