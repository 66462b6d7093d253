"""What a request waits for, as one line that fits the terminal.

Pure; ``since`` is the age of the message in seconds, so that the line ticks without news.
"""

import time
from collections.abc import Iterable, Sequence

from innkeep import wire
from innkeep.cli.table import cut, width
from innkeep.cli.units import clock, ordinal, whole_seconds
from innkeep.language import _, ngettext


def fitting(variants: Sequence[str], cells: int) -> str:
    """The first of ``variants``, longest first, that fits into ``cells``; else the last one, cut."""
    return next((text for text in variants if width(text) <= cells), cut(variants[-1], cells))


def waiting_line(waiting: wire.Waiting, since: float, cells: int, now: float | None = None, waited: float = 0.0) -> str:
    """``~28 s  3rd in line for qwen2.5-coder:32b (deepseek-r1:32b is answering)``; how long comes first.

    Where nobody knows how long it will take, ``7 s`` that it has taken: ``waited`` is the wait before this message.
    During a hold: ``on hold until 14:30:00 ("video call"), gives up in 52 s; `innkeep resume` ends it``. ``now`` is
    the time of day in seconds since the epoch.
    """
    if waiting.until is not None:
        return fitting(_hold_variants(waiting, waiting.until, time.time() if now is None else now), cells)
    known = waiting.expected is not None
    left = f"~{whole_seconds(max(1.0, (waiting.expected or 0.0) - since))}" if known else whole_seconds(waited + since)
    place = _(
        "{left}  {position} in line for {model}", left=left, position=ordinal(waiting.position), model=waiting.model
    )
    return fitting([place + who for who in (*_holders(waiting), "")], cells)


def _hold_variants(waiting: wire.Waiting, until: float, now: float) -> list[str]:
    why = f' ("{waiting.why}")' if waiting.why else ""
    ends = _("on hold until {until}", until=clock(until))
    refused = waiting.refused_at is not None and waiting.refused_at < until
    gives_up = (
        _(", gives up in {refused_at}", refused_at=whole_seconds((waiting.refused_at or now) - now)) if refused else ""
    )
    return [
        _("{ends}{why}{gives_up}; `innkeep resume` ends it", ends=ends, why=why, gives_up=gives_up),
        f"{ends}{why}{gives_up}",
        f"{ends}{gives_up}",
        _("on hold{gives_up}", gives_up=gives_up),
    ]


def _holders(waiting: wire.Waiting) -> list[str]:
    """Who holds the memory: names where there is room, else how many."""
    if waiting.answering:
        names, number = _listed(waiting.answering), len(waiting.answering)
        return [
            ngettext(" ({names} is answering)", " ({names} are answering)", number, names=names),
            _(" ({n} answering)", n=number),
        ]
    return [_(" ({resident} in memory)", resident=_listed(waiting.resident))] if waiting.resident else []


def loading_line(loading: wire.Loading, since: float, cells: int) -> str:
    """``loading qwen2.5-coder:32b  7 s of ~12 s (deepseek-r1:32b is unloading)``."""
    of = _(" of ~{expected}", expected=whole_seconds(loading.expected)) if loading.expected is not None else ""
    text = _(
        "loading {model}  {elapsed}{of}", model=loading.model, elapsed=whole_seconds(loading.elapsed + since), of=of
    )
    leaves = _(" ({unloading} is unloading)", unloading=_listed(loading.unloading)) if loading.unloading else ""
    return fitting([text + leaves, text], cells)


def reading_line(model: str, since: float, cells: int) -> str:
    """``qwen2.5-coder:32b is reading the prompt, 3 s``."""
    return fitting(
        [
            _("{model} is reading the prompt, {since}", model=model, since=whole_seconds(since)),
            _("reading, {since}", since=whole_seconds(since)),
        ],
        cells,
    )


def _listed(names: Iterable[str]) -> str:
    return _(" and ").join(names)
