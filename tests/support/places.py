"""Where tasks of the daemon wait: the places at which tests raise a fault."""

import inspect
from typing import Any


class Injected(Exception):
    """The fault."""


def waits_at(waiting: Any) -> tuple[str, ...]:
    """The lines of the daemon at which a coroutine waits, outermost first; empty where it has not begun."""
    place = []
    if inspect.getcoroutinestate(waiting) != inspect.CORO_SUSPENDED:
        return ()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None and frame.f_code.co_name == "_nested_child_finished":
            return ()  # trio's own: a nursery's end raises what its children did, and nothing else
        if frame is not None and "/innkeepd/" in frame.f_code.co_filename:
            place.append(f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_code.co_name}:{frame.f_lineno}")
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return tuple(place)
