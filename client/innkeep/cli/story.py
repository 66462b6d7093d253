"""Where the time of a request went, as one sentence: pure."""

from innkeep.cli.units import seconds
from innkeep.language import _, translated
from innkeep.wire import DecisionRecord

SHORT = 0.05
"""Seconds of waiting that nobody notices."""


def story(record: DecisionRecord) -> str:
    """``waited 14 s: X answers; X was unloaded for it; first token 2.1 s later; whole after 41 s``.

    Empty where nothing is known of its times.
    """
    times = record.timings
    if not times.total:
        return ""
    parts = [_waited(record)]
    parts += [_("{evicted} was unloaded for it", evicted=", ".join(record.evicted))] if record.evicted else []
    parts += [_("{swap} of that was the swap", swap=seconds(times.swap))] if times.swap >= SHORT else []
    for attempt in record.attempts:
        if attempt.outcome in ("failed", "passed_over"):
            why = translated(attempt.message or "") or attempt.code or _(attempt.outcome)
            after = _(" after {seconds}", seconds=seconds(attempt.seconds)) if attempt.seconds >= SHORT else ""
            text = (
                _("{model} failed{after}: {why}", model=attempt.model, after=after, why=why)
                if attempt.outcome == "failed"
                else _("{model} was passed over{after}: {why}", model=attempt.model, after=after, why=why)
            )
            parts.append(text)
    parts += (
        []
        if times.first_token is None
        else [_("first token {first_token} later", first_token=seconds(times.first_token))]
    )
    parts.append(_end(record))
    return "; ".join(parts)


def _waited(record: DecisionRecord) -> str:
    if record.timings.queued < SHORT:
        return _("did not wait")
    waits = ", ".join(map(translated, dict.fromkeys(record.waits)))
    return _("waited {queued}", queued=seconds(record.timings.queued)) + (f": {waits}" if waits else "")


def _end(record: DecisionRecord) -> str:
    total = seconds(record.timings.total)
    if record.outcome == "answered":
        return _("whole after {total}", total=total)
    why = translated(record.message or "") or record.code
    return _("{outcome} after {total}", outcome=_(record.outcome), total=total) + (f": {why}" if why else "")
