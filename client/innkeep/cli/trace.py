"""Decision records as a trace of requests, the JSON lines that the scheduling simulator replays."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["trace_of"]


def trace_of(records: Sequence[Mapping[str, Any]], name: str = "history") -> list[dict[str, Any]]:
    """The lines of a trace: a head ``{trace, seed, note, requests}``, then one request a line in order of arrival.

    Of a record it reads ``id``, ``asked_at`` (seconds since the epoch), ``class`` (or ``priority``), ``client``,
    ``session``, ``last``, ``chain``, ``prompt_tokens``, ``completion_tokens``; and of one that its client gave up
    ``code`` (``cancelled``) and ``timings.total``. ``t`` counts from the first request's arrival. Records without an
    arrival or a chain (they were refused before they were routed) can't be replayed and are left out.
    """
    usable = [one for one in records if isinstance(one.get("asked_at"), int | float) and one.get("chain")]
    usable.sort(key=lambda one: one["asked_at"])
    start = usable[0]["asked_at"] if usable else 0.0
    head = {"trace": name, "seed": 0, "note": _note(len(usable), len(records)), "requests": len(usable)}
    return [head, *(_request(one, start) for one in usable)]


def _note(kept: int, of: int) -> str:
    left_out = of - kept
    return "from decision records" + (f"; {left_out} without a chain left out" if left_out else "")


def _request(record: Mapping[str, Any], start: float) -> dict[str, Any]:
    line: dict[str, Any] = {
        "id": str(record.get("id", "")),
        "t": round(record["asked_at"] - start, 3),
        "class": record.get("class") or record.get("priority") or "interactive",
        "client": str(record.get("client") or "unknown"),
    }
    if record.get("session"):
        line |= {"session": str(record["session"]), "last": bool(record.get("last"))}
    line |= {
        "chain": [str(model) for model in record["chain"]],
        "prompt": int(record.get("prompt_tokens") or 0),
        "out": int(record.get("completion_tokens") or 0),
    }
    total = (record.get("timings") or {}).get("total")
    if record.get("code") == "cancelled" and isinstance(total, int | float):
        line["cancel"] = round(total, 3)
    return line
