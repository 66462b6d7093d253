"""Quantities as a person reads them; ``innkeep.units`` reads what a person writes."""

import time

GIB = 2**30


def gib(count: int) -> str:
    """Memory, in 2^30 bytes: ``19.9 GiB``."""
    return f"{count / GIB:.1f} GiB"


def seconds(value: float) -> str:
    """``0.4 s``, ``12 s``, ``4 min``, ``2 h 10 min``, ``3 d 4 h``: rounded to what a person wants to know."""
    return f"{value:.1f} s" if value < 9.95 else whole_seconds(value)


def whole_seconds(value: float) -> str:
    """``7 s``, ``4 min``: likewise without tenths, for a line that is redrawn each second."""
    whole = round(max(0.0, value))
    if whole < 120:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def clock(epoch: float) -> str:
    """The local time of day, with the date where it is not the present day's: ``14:03:07``."""
    then = time.localtime(epoch)
    same_day = then[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", then)


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(number: int, noun: str) -> str:
    """``1 request``, ``2 requests``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
