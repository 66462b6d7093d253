"""One connection as a client sees it, without IO: it gives out ids and knows which reply may follow which.

``ORDER`` is the whole law: for each request a table from state to the replies that may come then and the state after.
``error`` may come in any state and ends the request. A reply that the table has no place for is a
``ProtocolViolation``: the connection can't be trusted any more. Replies under an id that isn't open change nothing;
that is how the rest of a cancelled request passes by.
"""

from __future__ import annotations  # evaluating them would cost a command 3 ms at its start

from typing import TYPE_CHECKING

import msgspec

from innkeep import wire
from innkeep.errors import BadRequest, ConnectionFailed, ConnectionLost, ProtocolViolation, from_code
from innkeep.framing import Dialect, Framer, decode_reply, encode, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ASKED", "ENDED", "ORDER", "Conversation"]

ASKED = "asked"
ENDED = "ended"

Table = dict[str, dict[type[wire.Reply], str]]

_CHAT: Table = {
    ASKED: {wire.Routed: "routed"},
    "routed": {wire.Waiting: "routed", wire.Loading: "routed", wire.Started: "started"},
    # Another attempt may have to wait and to load again; nothing but the end may come between pieces.
    "started": {
        wire.Waiting: "routed",
        wire.Loading: "routed",
        wire.Started: "started",
        wire.Delta: "streaming",
        wire.Done: ENDED,
    },
    "streaming": {wire.Delta: "streaming", wire.Done: ENDED},
}

ORDER: Mapping[type[wire.Request], Table] = {
    wire.Hello: {ASKED: {wire.Welcome: ENDED}},
    wire.Chat: _CHAT,
    wire.Embed: {ASKED: {wire.Embeddings: ENDED}},
    wire.RouteAsk: {ASKED: {wire.RouteReply: ENDED}},
    wire.Cancel: {ASKED: {wire.Cancelled: ENDED}},
    wire.StatusAsk: {ASKED: {wire.Status: ENDED}},
    wire.Watch: {ASKED: {wire.Status: "watching"}, "watching": {wire.Event: "watching", wire.Status: "watching"}},
    wire.ModelsAsk: {ASKED: {wire.Models: ENDED}},
    wire.Select: {ASKED: {wire.Selected: ENDED}},
    wire.Load: {ASKED: {wire.Loading: ASKED, wire.Loaded: ENDED}},
    wire.Unload: {ASKED: {wire.Loading: ASKED, wire.Unloaded: ENDED}},
    wire.Pin: {ASKED: {wire.Pinned: ENDED}},
    wire.Unpin: {ASKED: {wire.Unpinned: ENDED}},
    wire.Hold: {ASKED: {wire.Held: ENDED}},
    wire.Resume: {ASKED: {wire.Resumed: ENDED}},
    wire.HistoryAsk: {ASKED: {wire.History: ENDED}},
    wire.StatsAsk: {ASKED: {wire.Stats: ENDED}},
    wire.RoutingAsk: {ASKED: {wire.Routing: ENDED}},
    wire.Feedback: {ASKED: {wire.Noted: ENDED}},
    wire.Shutdown: {ASKED: {wire.Stopping: ENDED}},
}


class _Open:
    """A request under way."""

    def __init__(self, request: wire.Request) -> None:
        self.table = ORDER[type(request)]
        self.name = name_of(request)
        self.state = ASKED
        self.has_begun = False
        self.text_came = False


class Conversation:
    """Requests out, replies in. ``ask`` and ``cancel`` give bytes to send; ``receive`` takes the bytes that came."""

    def __init__(self, dialect: Dialect = "frames") -> None:
        self.dialect = dialect
        self._framer = Framer(dialect)
        self._open: dict[int, _Open] = {}
        self._last_id = 0

    def __repr__(self) -> str:
        states = ", ".join(f"{number} {one.name} {one.state}" for number, one in self._open.items())
        return f"<Conversation: {states or 'nothing open'}>"

    @property
    def open(self) -> frozenset[int]:
        """The ids that still await replies."""
        return frozenset(self._open)

    def ask(self, request: wire.Request) -> tuple[int, bytes]:
        """Open ``request`` under a new id, whatever its own is: the id, and the bytes to send.

        Raises ``BadRequest`` or ``FrameTooLarge`` where it can't be sent; then nothing is open.
        """
        number = self._last_id + 1
        try:
            data = encode(msgspec.structs.replace(request, id=number), self.dialect)
        except (TypeError, ValueError, OverflowError) as fault:
            raise BadRequest(f"the `{name_of(request)}` request can't be sent: {fault}") from None
        self._last_id = number
        self._open[number] = _Open(request)
        return number, data

    def introduce(self, client: str) -> bytes:
        """A ``hello`` that tells who asks; its ``welcome`` is not waited for and passes by."""
        self._last_id += 1
        return encode(wire.Hello(id=self._last_id, protocol=wire.PROTOCOL, client=client), self.dialect)

    def cancel(self, target: int) -> bytes:
        """Forget ``target``: the bytes that tell the daemon, none where it isn't open. What still comes passes by."""
        if self._open.pop(target, None) is None:
            return b""
        self._last_id += 1
        return encode(wire.Cancel(id=self._last_id, target=target), self.dialect)

    def receive(self, data: bytes) -> Iterator[wire.Reply]:
        """The replies to open requests that ``data`` completes, in order.

        An ``error`` with the id of a request is a reply like others. Raises ``ProtocolViolation`` for a reply out of
        order or unknown, and the error itself where it has no id: then the connection is over, for all that is open.
        """
        for body in self._framer.feed(data):
            reply = decode_reply(body, self.dialect)
            if reply.id is None:
                raise from_code(reply.code, reply.message, reply.detail)
            if reply.id in self._open:
                self._advance(reply.id, reply)
                yield reply

    def lost(self, number: int) -> ConnectionLost:
        """The error for request ``number`` when the connection has broken; it tells whether text had come."""
        return self._broken_off(number, "innkeepd went away in the middle of a request")

    def silent(self, number: int, seconds: float | None) -> ConnectionFailed:
        """The error for request ``number`` when nothing came for so long; ``ConnectionLost`` if replies had come."""
        what = f"innkeepd said nothing for {seconds or 0:g} s; a longer timeout, or none, waits longer"
        one = self._open.get(number)
        has_begun = one is not None and one.has_begun
        lost = self._broken_off(number, what)
        return lost if has_begun else ConnectionFailed(what)

    def _broken_off(self, number: int, what: str) -> ConnectionLost:
        one = self._open.pop(number, None)
        return ConnectionLost(what, {"partial": True} if one is not None and one.text_came else None)

    def _advance(self, number: int, reply: wire.Reply) -> None:
        one = self._open[number]
        after = ENDED if isinstance(reply, wire.Error) else one.table[one.state].get(type(reply))
        if after is None:
            what = f"`{name_of(reply)}` to request {number}, a `{one.name}` that is {one.state}"
            raise ProtocolViolation(f"the daemon sent {what}")
        one.state = after
        one.has_begun = True
        one.text_came = one.text_came or isinstance(reply, wire.Delta)
        if after == ENDED:
            del self._open[number]
