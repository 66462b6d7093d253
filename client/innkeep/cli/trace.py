"""Decision records as a trace of requests, the JSON lines that the scheduling simulator replays."""

from collections.abc import Sequence
from typing import Any

from innkeep.wire import DecisionRecord

__all__ = ["trace_of"]


def trace_of(records: Sequence[DecisionRecord], name: str = "history") -> list[dict[str, Any]]:
    """The lines of a trace: a head ``{trace, seed, note, requests}``, then one request a line in order of arrival.

    ``t`` counts seconds from the first request's arrival; a request that its client gave up has ``cancel``, its
    seconds until then. Records without an arrival or a chain (they were refused before they were routed) can't be
    replayed and are left out.
    """
    usable = sorted((one for one in records if one.asked_at and one.chain), key=lambda one: one.asked_at)
    start = usable[0].asked_at if usable else 0.0
    head = {"trace": name, "seed": 0, "note": _note(len(usable), len(records)), "requests": len(usable)}
    return [head, *(_request(one, start) for one in usable)]


def _note(kept: int, of: int) -> str:
    left_out = of - kept
    return "from decision records" + (f"; {left_out} without a chain left out" if left_out else "")


def _request(record: DecisionRecord, start: float) -> dict[str, Any]:
    line: dict[str, Any] = {
        "id": record.id,
        "t": round(record.asked_at - start, 3),
        "class": record.priority,
        "client": record.client or "unknown",
    }
    if record.session:
        line |= {"session": record.session, "last": record.last}
    line |= {"chain": record.chain, "prompt": record.prompt_tokens, "out": record.completion_tokens}
    if record.code == "cancelled":
        line["cancel"] = round(record.timings.total, 3)
    return line
