"""One value of the configuration at a time: what a field expects, and what to say when it gets something else."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from msgspec import Struct, structs

from innkeep import units
from innkeepd.policy.conditions import DAYS, THERMAL, Then, read_hours

_T = TypeVar("_T", bound=Struct)


class BadValue(Exception):
    """A key that can't be used: its path, and the rest of the sentence."""

    def __init__(self, at: str, text: str) -> None:
        super().__init__(f"{at}: {text}")
        self.at = at
        self.text = text


def overlay(base: _T, table: Mapping[str, Any], at: str, skip: tuple[str, ...] = ()) -> _T:
    """``base`` with the keys of ``table`` laid over it. Raises BadValue for an unknown key or a wrong type."""
    hints = {key: hint for key, hint in _hints(type(base)).items() if key not in skip}
    given: dict[str, Any] = {}
    for key, value in table.items():
        if key not in hints:
            raise unknown_key(at, key, hints)
        given[key] = _value(hints[key], value, f"{at}.{key}".lstrip("."), getattr(base, key))
    return structs.replace(base, **given)


def unknown_key(at: str, key: str, known: Iterable[str]) -> BadValue:
    """The error for an unknown key."""
    names = list(known)
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"
    return BadValue(f"{at}.{key}".lstrip("."), f"unknown key; {hint}")


def marker(hint: object) -> str:
    """The unit that ``config`` put on a field's type; empty where there is none."""
    return str(get_args(hint)[1]) if get_origin(hint) is Annotated else ""


def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _value(hint: Any, value: object, at: str, base: object) -> Any:
    if isinstance(base, Struct):
        if not isinstance(value, dict):
            raise _mismatch(at, "a table", value)
        return overlay(base, value, at)
    if unit := marker(hint):
        try:
            return _READERS[unit](value)
        except ValueError as err:
            raise _mismatch(at, str(err), value) from None
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise _mismatch(at, "an array", value)
        return tuple(_value(get_args(hint)[0], item, f"{at}[{index}]", None) for index, item in enumerate(value))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise _mismatch(at, "one of " + ", ".join(f'"{one}"' for one in get_args(hint)), value)
        return value
    if not isinstance(value, hint):
        raise _mismatch(at, {bool: "true or false", str: "a string"}[hint], value)
    return value


def _mismatch(at: str, expected: str, value: object) -> BadValue:
    kinds = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "a table",
    }
    kind = kinds.get(type(value), "a date or time")
    if at.endswith(".token") or isinstance(value, list | dict):  # a secret is not repeated, nor a page of TOML
        return BadValue(at, f"expected {expected}, got {kind}")
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return BadValue(at, f"expected {expected}, got {shown if len(shown) <= 60 else shown[:57] + '...'} ({kind})")


def _integer(least: int, most: int, words: str) -> Callable[[object], int]:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(words)
        return value

    return read


def _or(word: str, read: Callable[[object], Any]) -> Callable[[object], Any]:
    """A reader that takes ``word`` as None, and else what ``read`` takes."""

    def either(value: object) -> Any:
        if value == word:
            return None
        try:
            return read(value)
        except ValueError as err:
            raise ValueError(f'{err}, or "{word}"') from None

    return either


def _above_zero(value: object) -> float:
    number = units.seconds(value)
    if number == 0:
        raise ValueError(f"{units.DURATION}, more than 0")
    return number


def _days(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError("a number more than 0")
    return float(value)


def _weight(value: object) -> str:
    if value not in {"heavy", "light"}:
        raise ValueError('"heavy", "light"')
    return str(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - a reader's complaint is a ValueError
    return value


def _hours(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('hours as in "22:00-07:00"')  # noqa: TRY004 - a reader's complaint is a ValueError
    read_hours(value)
    return value


def _one_of(*words: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in words:
            raise ValueError("one of " + ", ".join(f'"{word}"' for word in words))
        return str(value)

    return read


_MANY = 2**63 - 1
_READERS: dict[str, Callable[[object], Any]] = {
    "duration": units.seconds,
    "duration above 0": _above_zero,
    "duration or never": _or("never", units.seconds),
    "size": units.size,
    "size or auto": _or("auto", units.size),
    "tokens or auto": _or("auto", _integer(1, 2**24, "a number of tokens, 1 or more")),
    "weight or auto": _or("auto", _weight),
    "count": _integer(1, _MANY, "an integer, 1 or more"),
    "count or 0": _integer(0, _MANY, "an integer, 0 or more"),
    "port": _integer(0, 65535, "a port: 0 (any free one) to 65535"),
    "number": _days,
    "true, false or unset": _flag,
    "percent or unset": _integer(1, 100, "a percentage, 1 to 100"),
    "action of a rule": _one_of(*get_args(Then)),
    "hours": _hours,
    "day": _one_of(*DAYS),
    "thermal state": _one_of(*THERMAL[1:]),
}
