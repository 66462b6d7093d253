"""Which field of a well-typed request makes no sense, beside another or by itself. Pure."""

from collections.abc import Iterator
from math import inf
from typing import Any, TypeAlias

from innkeep import wire

__all__ = ["invalid_field"]

Complaint: TypeAlias = tuple[str, str]
"""Field, what is wrong with it."""

DEEPEST = 200
"""Levels of lists and maps in a free-form field; each takes two of the interpreter's thousand frames here."""
LONGEST_HOLD = 31_536_000
"""Seconds; no clock can show the end of a longest float."""
_NO_DURATION = "a number of seconds, 0 or more, is needed"
_NO_JSON = "only what JSON can say has a place here: no bytes, dates, NaN or keys that are no strings"


def invalid_field(request: wire.Request) -> Complaint | None:
    """The first field that makes no sense, with the reason; None where all is well."""
    return next(_complaints(request), None)


def _complaints(request: wire.Request) -> Iterator[Complaint]:
    match request:
        case wire.Chat():
            yield from _of_chat(request)
        case wire.Hello(protocol=protocol) if protocol < 1:
            yield "protocol", "the first protocol is 1"
        case wire.RouteAsk(messages=messages, text=text):
            if (messages is None) == (text is None):
                yield "messages", "exactly one of `messages` and `text` is needed"
            if messages is not None and not messages:
                yield "messages", "at least one message is needed"
        case wire.Unload(model=model, all=everything):
            if (model is None) != everything:
                yield "model", "exactly one of `model` and `all` is needed"
        case wire.Hold(seconds=seconds) if not _is_duration(seconds):
            yield "seconds", _NO_DURATION
        case wire.Hold(seconds=seconds) if seconds > LONGEST_HOLD:
            yield "seconds", f"the most is {LONGEST_HOLD:,}, a year"
        case wire.Shutdown(drain=drain) if not _is_duration(drain):
            yield "drain", _NO_DURATION
        case wire.HistoryAsk(limit=limit) if limit < 0:
            yield "limit", "0 or more is needed"
        case _:
            pass
    if getattr(request, "model", None) == "":
        yield "model", "a model's name is needed"


def _of_chat(chat: wire.Chat) -> Iterator[Complaint]:
    if not chat.messages:
        yield "messages", "at least one message is needed"
    if chat.fallbacks is not None and chat.model is None:
        yield "fallbacks", "they need a `model`; a role's fallbacks are in the configuration"
    for field in ("options", "tools", "format"):
        if complaint := _no_json(getattr(chat, field)):
            yield field, complaint
    for message in chat.messages:
        if complaint := _no_json(message.tool_calls):
            yield "messages", f"tool_calls: {complaint}"
    if not _is_duration(chat.patience):
        yield "patience", _NO_DURATION
    if not _is_duration(chat.deadline):
        yield "deadline", _NO_DURATION


def _no_json(value: Any) -> str | None:
    """Why the backend, which speaks JSON, can't be told ``value``; msgpack can say more. None where it can."""
    try:
        return None if _is_json(value, DEEPEST) else _NO_JSON
    except _TooDeep:
        return f"nested too deeply; the most is {DEEPEST} levels"


class _TooDeep(Exception):
    pass


def _is_json(value: Any, deepest: int) -> bool:
    if deepest < 0:
        raise _TooDeep
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(below, deepest - 1) for key, below in value.items())
    if isinstance(value, list):
        return all(_is_json(below, deepest - 1) for below in value)
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and -inf < value < inf)


def _is_duration(seconds: float | None) -> bool:
    """Whether it is finite and not negative; NaN fails every comparison."""
    return seconds is None or 0 <= seconds < inf
