"""Bytes <-> messages, both dialects, without IO; the same for the daemon, both clients and the tests.

A ``Framer`` cuts what arrives into bodies; it looks at a length before it keeps a byte that the length forbids, and it
never looks at a byte twice, so that no chunking costs more than linear time. ``decode_request`` and ``decode_reply``
turn one body into a Struct, ``encode`` turns a Struct into the bytes to send.

Three faults end a connection (``ends_connection``), because what follows can't be told apart any more: ``bad_dialect``,
``bad_message`` and ``frame_too_large``. Every other fault belongs to one request and carries its ``request_id``.
"""

from __future__ import annotations  # evaluating them would cost a command 3 ms at its start

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias, get_args, get_origin

import msgspec

from innkeep import wire
from innkeep.errors import (
    BadDialect,
    BadMessage,
    BadRequest,
    FrameTooLarge,
    InnkeepError,
    ProtocolViolation,
    UnknownType,
)
from innkeep.validation import invalid_field

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Dialect", "Framer", "decode_reply", "decode_request", "encode", "ends_connection", "error_reply", "name_of"]

Dialect: TypeAlias = Literal["frames", "lines"]


def name_of(message: type[wire.Request | wire.Reply] | wire.Request | wire.Reply) -> str:
    """The ``type`` of a message on the wire."""
    return str(message.__struct_config__.tag)


REQUEST_NAMES: frozenset[str] = frozenset(name_of(kind) for kind in get_args(wire.Request))

HEADER = 4
"""Bytes of a frame's length, big-endian."""

_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
"""What msgspec raises for foreign bytes; deep nesting is refused by the interpreter's recursion limit."""


class Framer:
    """One direction of one connection, cut into bodies.

    ``dialect`` is None until the first byte has told it; a client knows its own and gives it. ``limit`` is the most
    bytes of a frame's body or of a line (without its line feed).
    """

    def __init__(self, dialect: Dialect | None = None, *, limit: int = wire.MAX_FRAME) -> None:
        self.dialect = dialect
        self.limit = limit
        self._buffer = bytearray()
        self._searched = 0  # bytes of an unfinished line that hold no line feed
        self._fault: ProtocolViolation | None = None

    def __repr__(self) -> str:
        return f"<Framer {self.dialect or 'undecided'}, {len(self._buffer)} bytes kept>"

    @property
    def mid_frame(self) -> bool:
        """Whether a frame or line has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Every body that ``data`` completes, in order. What isn't taken now comes with the next call.

        Raises ``BadDialect``, ``BadMessage`` or ``FrameTooLarge`` after the bodies in front of the fault; from then on
        nothing is kept and every call raises the same again.
        """
        if self._fault:
            raise self._fault
        self._buffer += data
        if self.dialect is None and self._buffer:
            self.dialect = self._detected(self._buffer[0])
        return self._frames() if self.dialect == "frames" else self._lines()

    def end(self) -> Iterator[bytes]:
        """The body that the end of input completes: a last line without a line feed. Half a frame completes nothing."""
        if self.dialect == "lines" and (body := self._take(len(self._buffer)).strip()):
            yield body

    def _detected(self, first: int) -> Dialect:
        if first in {0, ord("{")}:
            return "lines" if first else "frames"
        return self._fail(BadDialect("a connection begins with 0x00 (frames of msgpack) or { (lines of JSON)"))

    def _frames(self) -> Iterator[bytes]:
        while len(self._buffer) >= HEADER:
            length = int.from_bytes(self._buffer[:HEADER], "big")
            self._check_length(length)
            if len(self._buffer) < HEADER + length:
                return
            yield self._take(HEADER + length, after=HEADER)

    def _check_length(self, length: int) -> None:
        if length > self.limit:
            self._fail(FrameTooLarge(f"a frame of {length:,} bytes; the most is {self.limit:,}"))
        if length == 0:
            self._fail(BadMessage("a frame of 0 bytes; it needs at least one"))

    def _lines(self) -> Iterator[bytes]:
        while (feed := self._buffer.find(b"\n", self._searched)) >= 0:
            self._check_line(feed)
            if body := self._take(feed + 1).strip():
                yield body
        self._check_line(len(self._buffer))
        self._searched = len(self._buffer)

    def _check_line(self, length: int) -> None:
        if length > self.limit:
            self._fail(FrameTooLarge(f"a line of more than {self.limit:,} bytes; that is the most"))

    def _take(self, count: int, after: int = 0) -> bytes:
        """Cut ``count`` bytes off the front, which moves none of the rest; give those ``after`` so many."""
        self._searched = 0
        taken = bytes(memoryview(self._buffer)[after:count])
        del self._buffer[:count]
        return taken

    def _fail(self, fault: ProtocolViolation) -> NoReturn:
        self._buffer = bytearray()
        self._fault = fault
        raise fault


# ---- messages -> bytes -----------------------------------------------------------------------------------------------

_TO_JSON = msgspec.json.Encoder()
_TO_MSGPACK = msgspec.msgpack.Encoder()


def encode(message: wire.Request | wire.Reply, dialect: Dialect) -> bytes:
    """The bytes to send, framed.

    Raises ``FrameTooLarge`` (with ``request_id``) for a message over the cap, and what msgspec raises (``TypeError``,
    ``OverflowError``, ``ValueError``) for a free-form field that holds what the dialect can't say.
    """
    body = _packed(message) if dialect == "frames" else _TO_JSON.encode(message)
    if len(body) > wire.MAX_FRAME:
        fault = FrameTooLarge(
            f"the `{name_of(message)}` message has {len(body):,} bytes; the most is {wire.MAX_FRAME:,}"
        )
        fault.request_id = message.id
        raise fault
    return len(body).to_bytes(HEADER, "big") + body if dialect == "frames" else body + b"\n"


def _packed(message: wire.Request | wire.Reply) -> bytes:
    """In msgpack, whose integers have 64 bits: a model's tool call may hold a longer one, as JSON's numbers may be."""
    try:
        return _TO_MSGPACK.encode(message)
    except OverflowError:
        return _TO_MSGPACK.encode(_narrowed(msgspec.to_builtins(message)))


def _narrowed(value: Any) -> Any:
    """``value`` with integers beyond 64 bits as floats, as most readers of JSON take them; beyond floats as text."""
    if isinstance(value, dict):
        return {key: _narrowed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_narrowed(inner) for inner in value]
    if type(value) is not int or -(2**63) <= value < 2**64:
        return value
    try:
        return float(value)
    except OverflowError:
        return f"{value:#x}"


def error_reply(error: InnkeepError) -> wire.Error:
    """The ``error`` message that tells ``error``, under the id that it carries."""
    return wire.Error(
        id=error.request_id, code=error.code, message=error.message, retryable=error.retryable, detail=error.detail
    )


def ends_connection(error: InnkeepError) -> bool:
    """Whether the connection has to be closed once ``error`` is told."""
    return isinstance(error, BadDialect | BadMessage | FrameTooLarge)


# ---- bytes -> messages -----------------------------------------------------------------------------------------------


def _no_extension(code: int, _: memoryview) -> NoReturn:
    raise ValueError(f"extension type {code} has no meaning here")


@cache
def _decoder(of: str, dialect: Dialect) -> msgspec.msgpack.Decoder[Any] | msgspec.json.Decoder[Any]:
    """Made at first use: a client never decodes requests, and a decoder of them all takes a while to make."""
    kinds: dict[str, Any] = {"request": wire.Request, "reply": wire.Reply, "fields": dict[str, msgspec.Raw], "any": Any}
    if dialect == "frames":
        return msgspec.msgpack.Decoder(kinds[of], ext_hook=_no_extension)
    return msgspec.json.Decoder(kinds[of])


def decode_reply(body: bytes, dialect: Dialect) -> wire.Reply:
    """One reply; raises ``BadMessage`` for anything that is none in this protocol."""
    try:
        reply: wire.Reply = _decoder("reply", dialect).decode(body)
    except _UNDECODABLE as fault:
        raise BadMessage(f"the daemon sent what protocol {wire.PROTOCOL} has no place for: {fault}") from None
    return reply


def decode_request(body: bytes, dialect: Dialect) -> wire.Request:
    """One request that makes sense in itself.

    Raises ``BadMessage`` (ends the connection) for what isn't a map, and under the request's id ``UnknownType`` or
    ``BadRequest``, whose ``detail["field"]`` names the field that is missing, wrong or contradicts another.
    """
    try:
        request: wire.Request = _decoder("request", dialect).decode(body)
    except _UNDECODABLE as fault:
        raise _reason(body, dialect, str(fault)) from None
    if found := invalid_field(request):
        raise _refusal(request.id, name_of(request), *found)
    return request


def _reason(body: bytes, dialect: Dialect, what: str) -> InnkeepError:
    """Why ``body`` is no request; looked at only after the fast way failed. ``what`` is msgspec's own complaint."""
    try:
        fields: dict[str, msgspec.Raw] = _decoder("fields", dialect).decode(body)
    except _UNDECODABLE as fault:
        form = "msgpack" if dialect == "frames" else "JSON"
        return BadMessage(f"a message is one {form} map with string keys: {fault}")
    identity, kind = (_value(fields, name, dialect) for name in ("id", "type"))
    if type(identity) is not int:
        return _refusal(None, "request", "id", "an integer of your choice is needed")
    if not isinstance(kind, str):
        return _refusal(identity, "request", "type", "the name of a request is needed")
    if kind not in REQUEST_NAMES:
        error = UnknownType(f"no request is called `{kind[:80]}`")
        error.request_id = identity
        return error
    field, complaint = _place(what)
    if complaint.startswith("invalid enum value") and (known := _choices(kind, field)):
        complaint += f"; there are {', '.join(known)}"
    return _refusal(identity, kind, field, complaint)


def _choices(kind: str, field: str) -> list[str]:
    """The words that a request's field may hold, where it is one of a few: found in its annotation."""
    shape = next(each for each in get_args(wire.Request) if each.__struct_config__.tag == kind)
    name = field.partition("[")[0].partition(".")[0]
    pending, found = [each.type for each in msgspec.structs.fields(shape) if each.name == name], list[str]()
    while pending:
        annotation = pending.pop(0)
        if get_origin(annotation) is Literal:
            found += [choice for choice in get_args(annotation) if isinstance(choice, str)]
        else:
            pending += get_args(annotation)
    return found


def _value(fields: dict[str, msgspec.Raw], name: str, dialect: Dialect) -> Any:
    try:
        return _decoder("any", dialect).decode(fields[name])
    except (KeyError, *_UNDECODABLE):
        return None


def _place(what: str) -> tuple[str, str]:
    """Field and complaint out of msgspec's ``Expected `str`, got `int` - at `$.messages[0].role```."""
    complaint, _, path = what.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if (missing := complaint.partition("missing required field `"))[1]:
        return ".".join(filter(None, [field, missing[2].rstrip("`")])), "is missing"
    return field or "?", complaint[:1].lower() + complaint[1:]


def _refusal(identity: int | None, kind: str, field: str, complaint: str) -> BadRequest:
    error = BadRequest(f"{kind}.{field}: {complaint}", {"field": field})
    error.request_id = identity
    return error
