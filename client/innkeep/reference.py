"""``docs/protocol.md``, made from the Structs: ``python -m innkeep.reference > docs/protocol.md``."""

import sys
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from innkeep import errors, wire
from innkeep.conversation import ENDED, ORDER
from innkeep.framing import HEADER, name_of
from innkeep.paths import MAX_SOCKET_PATH

_INTRODUCTION = f"""\
# The control socket, protocol {wire.PROTOCOL}

This page is made from the messages' own types (`python -m innkeep.reference > docs/protocol.md`).

A stream Unix socket at `$INNKEEP_SOCKET`, else `$INNKEEP_HOME/innkeepd.sock`, else `~/.innkeep/innkeepd.sock`; its path
has at most {MAX_SOCKET_PATH} bytes. Only the user who runs the daemon may speak; others get `forbidden` and are closed.

## Two dialects, told by the first byte of a connection

- `0x00`: **frames**. {HEADER} bytes of length N, big-endian, then N bytes of msgpack: one map with string keys. N is at
  least 1 and at most {wire.MAX_FRAME:,}.
- `{{`: **lines**. One JSON object a line, the same maps, at most {wire.MAX_FRAME:,} bytes each; `\\r\\n` ends a line
  too, blank lines are ignored, and the last line needs no end when the sending side is closed.
- Anything else gets one line with the error `bad_dialect`, and is closed.

```sh
printf '{{"type":"chat","id":1,"messages":[{{"role":"user","content":"왜 하늘은 파란가?"}}]}}\\n' |
  nc -U ~/.innkeep/innkeepd.sock
```

(On Linux `nc -N -U`, or it waits for ever.)

Closing the sending side is no cancel: what was asked is still answered. Closing the connection cancels all that is
open. A connection that is silent in the middle of a message for 30 s is closed. Who reads slowly slows down only their
own answers, and is cut off when nothing is read for longer than `timeouts.stall`.

## Requests and replies

Every request has `type` and `id`, an integer of the client's, unique among its open requests. Every reply carries that
`id`. Many requests may be open on one connection; replies of different ids interleave, those of one id come in order,
and exactly one of them, marked **end**, is the last. `error` may come at any time and is an end. Unknown keys are
ignored. `hello` is optional; without it protocol 1 is spoken. Quantities are bytes, durations seconds, instants seconds
since 1970.

What can't be told apart any more ends the connection, with an error whose `id` is null: `bad_dialect`, `bad_message`
(no map with string keys), `frame_too_large`. Everything else leaves the connection alive: `unknown_type`, and
`bad_request` with `detail.field` for a field that is missing, wrong or contradicts another.

`*`: any number of times; `+`: at least once. A chat's answer that fails before its first `delta` goes on with the next
candidate: `waiting`, `loading` and `started` may come again, `started` then with what failed in `after`.
"""


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION, *_overview(), "\n## Requests\n"]
    parts += [_section(kind) for kind in get_args(wire.Request)]
    parts += ["## Replies\n", *[_section(kind) for kind in get_args(wire.Reply)]]
    parts += ["## Parts of messages\n", *[_section(kind) for kind in _parts()]]
    return "\n".join([*parts, *_codes(), ""])


def _overview() -> Iterator[str]:
    yield "| request | replies |"
    yield "|---|---|"
    for kind in get_args(wire.Request):
        yield f"| [`{name_of(kind)}`](#{_anchor(kind)}) | {', '.join(_replies(kind))} |"


def _replies(request: Any) -> Iterator[str]:
    """What may come, in the order of the table: ``*`` any number of times, ``+`` at least once."""
    table = ORDER[request]
    rows = [(state, kind, after) for state, row in table.items() for kind, after in row.items()]
    for kind in dict.fromkeys(kind for _, kind, _ in rows):
        afters = {after for _, one, after in rows if one is kind}
        is_repeated = any(kind in table.get(after, {}) for after in afters)
        is_needed = kind is wire.Started
        mark = " **end**" if ENDED in afters else "+" if is_needed else "*" if is_repeated else ""
        yield f"[`{name_of(kind)}`](#{_anchor(kind)}){mark}"
    if not any(ENDED in row.values() for row in table.values()):
        yield "until it is cancelled"


def _anchor(kind: Any) -> str:
    return _title(kind).replace("`", "").replace(" ", "-").lower()


def _title(kind: Any) -> str:
    if kind in get_args(wire.Request):
        return f"request `{name_of(kind)}`"
    if kind in get_args(wire.Reply):
        return f"reply `{name_of(kind)}`"
    return str(kind.__name__)


def _section(kind: Any) -> str:
    lines = [f"### {_title(kind)}", "", _prose(kind), ""]
    rows = [
        _row(field, get_type_hints(kind)[field.name]) for field in msgspec.structs.fields(kind) if field.name != "id"
    ]
    if rows:
        lines += ["| field | type | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _prose(kind: Any) -> str:
    """The docstring, with single backquotes as Markdown has them."""
    return "\n".join(line.strip() for line in (kind.__doc__ or "").strip().splitlines()).replace("``", "`")


def _row(field: msgspec.structs.FieldInfo, hint: Any) -> str:
    default = "required"
    if field.default is not msgspec.NODEFAULT:
        default = f"`{msgspec.json.encode(field.default).decode()}`"
    elif field.default_factory is not msgspec.NODEFAULT:
        default = f"`{msgspec.json.encode(field.default_factory()).decode()}`"
    return f"| `{field.encode_name}` | {_type(hint)} | {default} |"


def _type(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(f"`{msgspec.json.encode(one).decode()}`" for one in inner)
    if origin in (Union, UnionType):
        return " or ".join(_type(one) for one in inner)
    if origin is list:
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return "map" if inner[1] is Any else f"map of {_type(inner[1])}"
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"[{hint.__name__}](#{_anchor(hint)})"
    names = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null", Any: "anything"}
    return names[hint]


def _parts() -> list[Any]:
    """Every Struct that is a field of a message or of another part, in the order of the contract."""
    messages = {*get_args(wire.Request), *get_args(wire.Reply)}
    kinds = [one for one in vars(wire).values() if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    return [
        one for one in kinds if one not in messages and not one.__name__.startswith("_") and one is not msgspec.Struct
    ]


def _codes() -> Iterator[str]:
    yield "## Error codes\n"
    yield "When every candidate failed, the code is the last one's and `detail.attempts` tells each. `detail.partial`"
    yield "is true where text had been told already: text of two models is never joined.\n"
    yield "| code | meaning | may succeed later | class in `innkeep.errors` |"
    yield "|---|---|---|---|"
    for code, kind in errors.CODES.items():
        meaning = (kind.__doc__ or "").splitlines()[0].rstrip(".")
        yield f"| `{code}` | {meaning} | {'yes' if kind.retryable else 'no'} | `{kind.__name__}` |"


if __name__ == "__main__":
    sys.stdout.write(page())
