"""Decision records as text: pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from innkeep.cli.render import Paint, headed, plain
from innkeep.cli.story import story
from innkeep.cli.table import columns, pad
from innkeep.cli.units import clock, seconds
from innkeep.language import _, translated
from innkeep.wire import DecisionRecord


def history_text(records: Sequence[DecisionRecord], paint: Paint = plain, cells: int | None = None) -> str:
    """A table of records, newest first as they came. Columns that say the same in each row are left out."""
    if not records:
        return _("no request has been answered yet")
    heads = ["ID", "ASKED", "KIND", "CLASS", "CLIENT", "ROLE", "MODEL", "WAITED", "TOTAL", "TOKENS", "OUTCOME"]
    rows = [
        [
            record.id or "-",
            _asked(record),
            _(record.kind),
            _(record.priority),
            record.client or "-",
            record.role or "-",
            record.model or "-",
            seconds(record.timings.queued),
            seconds(record.timings.total),
            str(record.completion_tokens) if record.completion_tokens else "-",
            _(record.code or record.outcome or "-"),
        ]
        for record in map(_printable, records)
    ]
    usual = {"KIND": _("chat"), "CLASS": _("interactive"), "CLIENT": "-"}
    silent = [at for at, head in enumerate(heads) if all(row[at] == usual.get(head) for row in rows)]
    heads, *rows = [[word for at, word in enumerate(row) if at not in silent] for row in (heads, *rows)]
    right, drop = {"WAITED", "TOTAL", "TOKENS"}, ("CLIENT", "CLASS", "TOKENS", "ROLE", "KIND")
    return "\n".join(headed(columns(heads, rows, right=right, cells=cells, drop=drop), paint))


def explain_text(record: DecisionRecord, paint: Paint = plain) -> str:
    """Everything about one request, in the order in which it happened."""
    record = _printable(record)
    facts = [
        (_("asked"), _asked(record) + _by(record)),
        (_("kind"), _(record.kind) if record.kind != "chat" else ""),
        (_("route"), _route(record)),
        (_("chain"), ", ".join(record.chain)),
        (_("waited"), "; ".join(dict.fromkeys([seconds(record.timings.queued), *map(translated, record.waits)]))),
        (_("unloaded"), ", ".join(record.evicted)),
        *_attempts(record),
        (_("outcome"), _outcome(record)),
        (_("tokens"), _tokens(record)),
        (_("times"), _times(record)),
        (_("warnings"), "; ".join(map(translated, record.warnings))),
        (_("feedback"), _("should have been {feedback}", feedback=record.feedback) if record.feedback else ""),
    ]
    lines = [f"{paint('dim', pad(head, 12))}  {text}" for head, text in facts if text]
    parts = [story(record)] if record.timings.total else []
    return "\n".join([paint("bold", _("request {id}", id=record.id or "-")), *parts, *lines])


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
    words = [_(record.priority)]
    words += [_("by {client}", client=record.client)] if record.client else []
    words += [_("via {door}", door=record.door)] if record.door not in ("", "socket") else []
    words += (
        [_("session {session}", session=record.session) + (_(" (last turn)") if record.last else "")]
        if record.session
        else []
    )
    return f", {', '.join(words)}"


def _route(record: DecisionRecord) -> str:
    if not record.role:
        return ""
    confidence = "" if record.confidence is None else _(" (confidence {confidence:.2f})", confidence=record.confidence)
    return f"{record.role}{confidence}" + (f": {translated(record.reason)}" if record.reason else "")


def _attempts(record: DecisionRecord) -> list[tuple[str, str]]:
    lines = []
    for number, attempt in enumerate(record.attempts, start=1):
        code = f", {attempt.code}" if attempt.code else ""
        took = f", {seconds(attempt.seconds)}" if attempt.seconds else ""
        why = f": {translated(attempt.message)}" if attempt.message else ""
        lines.append((_("attempt {number}", number=number), f"{attempt.model} {_(attempt.outcome)}{code}{took}{why}"))
    return lines


def _outcome(record: DecisionRecord) -> str:
    words = ", ".join(_(word) for word in dict.fromkeys((record.outcome, record.code)) if word)
    return f"{words}: {translated(record.message)}" if record.message else words


def _tokens(record: DecisionRecord) -> str:
    """What the engine counted; it counts nothing of an answer that was cut off."""
    if record.outcome != "answered" and not record.completion_tokens:
        return _("not counted: the answer did not end") if record.timings.first_token is not None else ""
    return _(
        "{prompt_tokens} in the prompt, {completion_tokens} in the answer",
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
    )


def _times(record: DecisionRecord) -> str:
    times = record.timings
    facts = [_("{queued} in line", queued=seconds(times.queued))]
    facts += [_("{swap} of that for a swap", swap=seconds(times.swap))] if times.swap else []
    facts += (
        []
        if times.first_token is None
        else [_("{first_token} to the first token", first_token=seconds(times.first_token))]
    )
    facts.append(_("{total} in all", total=seconds(times.total)))
    return ", ".join(facts + ([_("{n:.1f} tokens/s", n=times.tokens_per_second)] if times.tokens_per_second else []))
