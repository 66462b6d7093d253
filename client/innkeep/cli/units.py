"""Quantities as a person reads them; ``innkeep.units`` reads what a person writes."""

import time

from innkeep.language import _, later

GIB = 2**30

NTH = later("{n}th")
COUNTED = (
    later("{n} requests"), later("{n} swaps"), later("{n} loads"), later("{n} unloads"), later("{n} fallbacks"),
    later("{n} refusals"), later("{n} foreign loads"), later("{n} reloads"), later("{n} tokens"), later("{n} errors"),
    later("{n} warnings"),
)  # fmt: skip
"""What ``counted`` counts."""


def gib(count: int) -> str:
    """Memory, in 2^30 bytes: ``19.9 GiB``."""
    return f"{count / GIB:.1f} GiB"


def seconds(value: float) -> str:
    """``0.4 s``, ``12 s``, ``4 min``, ``2 h 10 min``, ``3 d 4 h``: rounded to what a person wants to know."""
    return _("{n} s", n=f"{value:.1f}") if value < 9.95 else whole_seconds(value)


def whole_seconds(value: float) -> str:
    """``7 s``, ``4 min``: likewise without tenths, for a line that is redrawn each second."""
    whole = round(max(0.0, value))
    if whole < 120:
        return _("{n} s", n=whole)
    minutes = round(whole / 60)
    if minutes < 120:
        return _("{n} min", n=minutes)
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return _("{h} h {m} min", h=hours, m=rest) if rest else _("{h} h", h=hours)
    days, hours = divmod(hours, 24)
    return _("{d} d {h} h", d=days, h=hours) if hours else _("{d} d", d=days)


def clock(epoch: float) -> str:
    """The local time of day, with the date where it is not the present day's: ``14:03:07``."""
    then = time.localtime(epoch)
    same_day = then[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", then)


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``; another language has one form for all."""
    if (every := _(NTH)) != NTH:
        return every.format(n=number)
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(number: int, noun: str) -> str:
    """``1 request``, ``2 requests``; ``noun`` is one of ``COUNTED``."""
    if (every := _(many := f"{{n}} {noun}s")) != many:
        return every.format(n=number)
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
