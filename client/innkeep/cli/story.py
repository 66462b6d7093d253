"""Where the time of a request went, as one sentence: pure."""

import re

from innkeep.cli.units import counted, seconds
from innkeep.language import _, translated
from innkeep.wire import DecisionRecord

_PLACE = re.compile(r"^\d+(st|nd|rd|th) in (line|the queue)$")
_MOVING = re.compile(r" is (un)?loading( to make room for .*)?$")
_ANSWERING = re.compile(r"(\S+) is answering(?: (\d+))?")

SHORT = 0.05
"""Seconds of waiting that nobody notices."""


def story(record: DecisionRecord) -> str:
    """``waited 14 s: X was answering 2 requests; it left in 0.9 s; Y loaded in 12 s; first token 2.1 s later; ...``.

    Empty where nothing is known of its times.
    """
    times = record.timings
    if not times.total:
        return ""
    parts = [_waited(record)]
    parts += _swap(record)
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


def _swap(record: DecisionRecord) -> list[str]:
    """What went out and in while it waited; a record of an older version tells only the names and the sum."""
    if not record.moves:
        parts = [_("{evicted} was unloaded for it", evicted=", ".join(record.evicted))] if record.evicted else []
        swap = record.timings.swap
        return parts + ([_("{swap} of that was the swap", swap=seconds(swap))] if swap >= SHORT else [])
    return [
        _("{model} left in {time}", model=move.model, time=seconds(move.seconds))
        if move.what == "unloaded"
        else _("{model} loaded in {time}", model=move.model, time=seconds(move.seconds))
        for move in record.moves
    ]


def _waited(record: DecisionRecord) -> str:
    if record.timings.queued < SHORT:
        return _("did not wait")
    return _("waited {queued}", queued=seconds(record.timings.queued)) + (f": {why}" if (why := _why(record)) else "")


def _why(record: DecisionRecord) -> str:
    """The reasons of its waiting, each once and without what the rest of the story tells: places, loads, unloads."""
    parts = [part for wait in record.waits for part in wait.split("; ")]
    told = [part for part in parts if not _PLACE.search(part) and not (record.moves and _MOVING.search(part))]
    busy: dict[str, int] = {}
    rest: list[str] = []
    for part in told:
        match = _ANSWERING.fullmatch(part)
        if match:
            busy[match[1]] = max(busy.get(match[1], 0), int(match[2] or 1))
        else:
            rest.append(translated(part))
    answering = [
        _("{model} was answering {requests}", model=model, requests=counted(number, "request"))
        for model, number in busy.items()
    ]
    return ", ".join(dict.fromkeys([*answering, *rest]))


def _end(record: DecisionRecord) -> str:
    total = seconds(record.timings.total)
    if record.outcome == "answered":
        return _("whole after {total}", total=total)
    why = translated(record.message or "") or record.code
    return _("{outcome} after {total}", outcome=_(record.outcome), total=total) + (f": {why}" if why else "")
