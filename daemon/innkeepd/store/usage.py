"""What a span of time was spent on, from decision records and the timeline: pure.

*Time lost to swaps* is the time in which models went out and in. *Saved by turns* compares with the order of arrival:
there each request for a large model other than the one before it would have been a swap.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from innkeep import wire

AT, WHAT, MODEL, TOOK, REASON = range(5)
"""Columns of the timeline."""


def swaps_of(timeline: Iterable[Sequence[Any]]) -> list[tuple[str, float]]:
    """Every swap as (the model that came, seconds): an unload that another model needed, and the load behind it."""
    found: list[tuple[str, float]] = []
    leaving: set[str] = set()
    seconds: float | None = None
    for row in timeline:
        what, model, took = row[WHAT], str(row[MODEL]), float(row[TOOK] or 0.0)
        if what == "unloading" and row[REASON] == "eviction":
            leaving.add(model)
        elif what == "unloaded" and model in leaving:
            leaving.discard(model)
            seconds = (seconds or 0.0) + took
        elif what in ("loaded", "load failed") and seconds is not None:
            found.append((model, seconds + took))
            seconds = None
    return found


def swaps_in_order_of_arrival(records: Iterable[wire.DecisionRecord], is_heavy: Callable[[str], bool]) -> int:
    """How often the order of arrival would have swapped large models for what was answered."""
    ordered = sorted((each for each in records if each.outcome == "answered"), key=lambda each: each.asked_at)
    models = [each.model for each in ordered if each.model is not None and is_heavy(each.model)]
    return sum(before != after for before, after in pairwise(models))


def usage(
    records: Sequence[wire.DecisionRecord],
    timeline: Sequence[Sequence[Any]],
    is_heavy: Callable[[str], bool],
    since: float,
) -> wire.Totals:
    """The sums of a span that began at ``since`` (seconds since 1970)."""
    swaps = swaps_of(timeline)
    heavy = [seconds for model, seconds in swaps if is_heavy(model)]
    otherwise = swaps_in_order_of_arrival(records, is_heavy)
    saved = max(0, otherwise - len(heavy))
    mean = sum(heavy) / len(heavy) if heavy else 0.0
    return wire.Totals(
        since=since,
        requests=len(records),
        swaps=len(swaps),
        swap_seconds=round(sum(seconds for _, seconds in swaps), 1),
        arrival_swaps=otherwise,
        saved_swaps=saved,
        saved_seconds=round(saved * mean, 1),
        rows=_rows(records, swaps),
    )


def _rows(records: Sequence[wire.DecisionRecord], swaps: Sequence[tuple[str, float]]) -> list[wire.UsageRow]:
    groups: dict[tuple[str, str], list[wire.DecisionRecord]] = {}
    for record in records:
        groups.setdefault((record.role or record.kind, record.model or "-"), []).append(record)
    rows = [_row(role, model, found) for (role, model), found in groups.items()]
    by_model: dict[str, list[float]] = {}
    for model, seconds in swaps:
        by_model.setdefault(model, []).append(seconds)
    rows += [
        wire.UsageRow(role="", model=model, swaps=len(found), swap_seconds=round(sum(found), 1))
        for model, found in by_model.items()
    ]
    return sorted(rows, key=lambda row: (row.role == "", -row.requests, -row.swaps, row.model))


def _row(role: str, model: str, records: Sequence[wire.DecisionRecord]) -> wire.UsageRow:
    return wire.UsageRow(
        role=role,
        model=model,
        requests=len(records),
        failed=sum(each.outcome == "failed" for each in records),
        waited_seconds=round(sum(each.timings.queued for each in records), 1),
        swap_seconds=round(sum(each.timings.swap for each in records), 1),
        tokens=sum(each.completion_tokens for each in records),
    )
