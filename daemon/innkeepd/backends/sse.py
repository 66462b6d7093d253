"""Server-sent events as bytes in, events out (no IO), cut anywhere.

Source: the HTML standard, 9.2.6 "Interpreting an event stream": lines end with LF, CR or CRLF, an empty line ends an
event, ``:`` begins a comment, several ``data`` lines are one text. Unlike a browser an event whose empty line never
arrives still counts: servers close after ``data: [DONE]`` as they like.
"""

from msgspec import Struct

MAX_EVENT = 4 * 2**20
"""Bytes that one event may have; a longer one is a fault, so that no engine can fill our memory."""

_BOM = b"\xef\xbb\xbf"


class Event(Struct, frozen=True, gc=False):
    """One event: its ``data`` lines joined by LF, and its name where it has one."""

    data: bytes
    name: str = ""


class TooLong(Exception):
    """An event of more than ``MAX_EVENT`` bytes."""


class EventStream:
    """Parses the body of a ``text/event-stream`` in chunks."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._name = b""
        self._size = 0
        self._began = False
        self._after_cr = False

    def __repr__(self) -> str:
        return f"<EventStream rest={len(self._rest)} bytes, {len(self._lines)} lines>"

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that the bytes so far complete. Raises ``TooLong``."""
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the second half of a CRLF whose CR was a line's end already
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        data = self._rest + chunk
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = data.split(b"\n")
        out: list[Event] = []
        for line in lines:
            self._line(line, out)
        if len(self._rest) + self._size > MAX_EVENT:
            raise TooLong
        return out

    def end(self) -> list[Event]:
        """The event that the body's end completes, if one was begun."""
        out: list[Event] = []
        self._line(self._rest, out)
        self._line(b"", out)
        self._rest = b""
        return out

    def _line(self, line: bytes, out: list[Event]) -> None:
        if not self._began:
            self._began = True
            line = line.removeprefix(_BOM)
        if not line:
            if self._lines:
                out.append(Event(b"\n".join(self._lines), self._name.decode("utf-8", "replace")))
            self._lines, self._name, self._size = [], b"", 0
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._lines.append(value.removeprefix(b" "))
            self._size += len(value) + 1
        elif field == b"event":
            self._name = value.removeprefix(b" ")
