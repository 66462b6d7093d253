"""Durations and sizes as people write them.

A duration is a number of seconds, or "250ms", "90s", "5m", "1h", "1d", also "1h30m" or "5min"; a size is a number of
bytes, or "450MB" (10^6), "27GiB" (2^30). Every function raises ValueError whose text continues "expected ...".
"""

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: dict[str, int] = {"": 1, "b": 1} | {f"{letter}{tail}": int(base**power)
                            for power, letter in enumerate("kmgt", 1)
                            for tail, base in (("b", 1000), ("ib", 1024))}  # fmt: skip
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)\s*(ms|min|s|m|h|d)\s*", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.ASCII)

DURATION = 'a duration: seconds, or "90s", "5m", "1h", "1d"'
SIZE = 'a size: bytes, or "450MB", "27GiB"'


def seconds(value: object) -> float:
    """Seconds of a duration, 0 or more."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{DURATION}, 0 or more")
        return float(value)
    if not isinstance(value, str):
        raise ValueError(DURATION)  # noqa: TRY004 (one error for whatever is not a duration)
    text = value.strip().lower()
    if re.fullmatch(r"\d+(?:\.\d+)?", text, re.ASCII):
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text):
        raise ValueError(DURATION)
    return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def size(value: object) -> int:
    """Bytes of a size, 0 or more."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"{SIZE}, 0 or more")
        return value
    match = _SIZE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None or match[2] not in _BYTES:
        raise ValueError(SIZE)
    return round(float(match[1]) * _BYTES[match[2]])


def spell_seconds(value: float) -> str:
    """A duration as it is written in the configuration: the largest unit that divides it."""
    for unit in ("d", "h", "m"):
        if value and value % _SECONDS[unit] == 0:
            return f"{value / _SECONDS[unit]:.0f}{unit}"
    return f"{value:g}s"


def spell_size(value: int) -> str:
    """A size as it is written in the configuration: the largest unit that divides it, binary first."""
    for unit in ("TiB", "GiB", "MiB", "TB", "GB", "MB"):
        step = _BYTES[unit.lower()]
        if value and value % step == 0:
            return f"{value // step}{unit}"
    return str(value)
