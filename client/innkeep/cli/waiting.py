"""What a request waits for, as one line that fits the terminal.

Pure; ``since`` is the age of the message in seconds, so that the line ticks without news.
"""

import time
from collections.abc import Iterable, Sequence

from innkeep import wire
from innkeep.cli.table import cut, width
from innkeep.cli.units import clock, ordinal, whole_seconds


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
    place = f"{left}  {ordinal(waiting.position)} in line for {waiting.model}"
    return fitting([place + who for who in (*_holders(waiting), "")], cells)


def _hold_variants(waiting: wire.Waiting, until: float, now: float) -> list[str]:
    why = f' ("{waiting.why}")' if waiting.why else ""
    ends = f"on hold until {clock(until)}"
    refused = waiting.refused_at is not None and waiting.refused_at < until
    gives_up = f", gives up in {whole_seconds((waiting.refused_at or now) - now)}" if refused else ""
    return [
        f"{ends}{why}{gives_up}; `innkeep resume` ends it",
        f"{ends}{why}{gives_up}",
        f"{ends}{gives_up}",
        f"on hold{gives_up}",
    ]


def _holders(waiting: wire.Waiting) -> list[str]:
    """Who holds the memory: names where there is room, else how many."""
    if waiting.answering:
        verb = "is" if len(waiting.answering) == 1 else "are"
        return [f" ({_listed(waiting.answering)} {verb} answering)", f" ({len(waiting.answering)} answering)"]
    return [f" ({_listed(waiting.resident)} in memory)"] if waiting.resident else []


def loading_line(loading: wire.Loading, since: float, cells: int) -> str:
    """``loading qwen2.5-coder:32b  7 s of ~12 s (deepseek-r1:32b is unloading)``."""
    of = f" of ~{whole_seconds(loading.expected)}" if loading.expected is not None else ""
    text = f"loading {loading.model}  {whole_seconds(loading.elapsed + since)}{of}"
    leaves = f" ({_listed(loading.unloading)} is unloading)" if loading.unloading else ""
    return fitting([text + leaves, text], cells)


def reading_line(model: str, since: float, cells: int) -> str:
    """``qwen2.5-coder:32b is reading the prompt, 3 s``."""
    return fitting(
        [f"{model} is reading the prompt, {whole_seconds(since)}", f"reading, {whole_seconds(since)}"], cells
    )


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
