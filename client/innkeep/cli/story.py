"""Where the time of a request went, as one sentence: pure."""

from innkeep.cli.units import seconds
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
    parts += [f"{', '.join(record.evicted)} was unloaded for it"] if record.evicted else []
    parts += [f"{seconds(times.swap)} of that was the swap"] if times.swap >= SHORT else []
    for attempt in record.attempts:
        if attempt.outcome in ("failed", "passed_over"):
            why = attempt.message or attempt.code or attempt.outcome
            after = f" after {seconds(attempt.seconds)}" if attempt.seconds >= SHORT else ""
            verb = "failed" if attempt.outcome == "failed" else "was passed over"
            parts.append(f"{attempt.model} {verb}{after}: {why}")
    parts += [] if times.first_token is None else [f"first token {seconds(times.first_token)} later"]
    parts.append(_end(record))
    return "; ".join(parts)


def _waited(record: DecisionRecord) -> str:
    if record.timings.queued < SHORT:
        return "did not wait"
    waits = ", ".join(dict.fromkeys(record.waits))
    return f"waited {seconds(record.timings.queued)}" + (f": {waits}" if waits else "")


def _end(record: DecisionRecord) -> str:
    total = seconds(record.timings.total)
    if record.outcome == "answered":
        return f"whole after {total}"
    why = record.message or record.code
    return f"{record.outcome} after {total}" + (f": {why}" if why else "")
