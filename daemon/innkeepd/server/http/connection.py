"""One HTTP connection: uvicorn's protocol with a bound on all that a stranger may send or leave unsaid.

Everything here holds before a token is asked for. What arrives is fed to the parser in small parts, and no further part
while a pipelined request waits: neither a thousand requests in one packet nor trailers, chunk extensions or headers
without end cost more than a few hundred KB. Importing this imports uvicorn, which is slow.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from innkeepd.server.http.response import CUT, FULL

HEAD = 128 * 1024
"""Bytes that a request's head may have, and everything else that is no body: uvicorn itself would go on collecting."""
HEADERS = 256
"""Lines that a request's head may have; each costs some 150 bytes beside its text. Node takes 2,000, Apache 100."""
HEAD_WITHIN = 30.0
"""Seconds for a head to be whole, from the first byte, or from the connection where nothing is said at all."""
CONNECTIONS = 256
"""Connections at a time; one more closes the one that has been idle for longest."""
REST = 1024 * 1024
"""Bytes of a body that are still read, and forgotten, once its request has been answered."""
LINGER = 1.0
"""Seconds for an answer to be read by a client that is not listened to any more; a reset could overtake it."""
PIPELINED = 64
"""Requests that may stand behind one that is being answered."""
READ = 64 * 1024
"""Bytes taken from the kernel at a time; asyncio's own 256 KB are kept whole while a pipelined request waits."""
HIGH, LOW = 64 * 1024, 48 * 1024
"""Bytes kept for a slow reader before it is waited for, and left when it goes on: 16 KB show that it reads."""
_PART = 1024
"""Bytes fed to the parser at a time outside a body."""


def _answer(status: bytes, error: bytes) -> bytes:
    body = b'{"error":"' + error + b'"}'
    head = b"connection: close\r\ncontent-type: application/json\r\ncontent-length: "
    return b"HTTP/1.1 " + status + b"\r\n" + head + str(len(body)).encode() + b"\r\n\r\n" + body


_TOO_LONG = _answer(b"431 Request Header Fields Too Large", b"the request's head is too long")
_TOO_MANY = _answer(b"503 Service Unavailable", b"innkeep answers 256 connections at once; try again")


class Flow(FlowControl):
    """Uvicorn's flow control that says when reading goes on. ``wake`` is set to None once the connection is lost."""

    def __init__(self, transport: asyncio.Transport, wake: Callable[[], object]) -> None:
        super().__init__(transport)
        self.wake: Callable[[], object] | None = wake

    def resume_reading(self) -> None:
        """Read on, first what was kept back."""
        was_paused = self.read_paused
        super().resume_reading()
        if was_paused and self.wake is not None:
            self.wake()

    def is_full(self) -> bool:
        """Whether the client has much left to read."""
        return self.write_paused


class Connection(HttpToolsProtocol):
    """One client. ``last_heard`` is the loop's time of its last byte."""

    def __init__(self, config: Config, state: ServerState, app_state: dict[str, Any]) -> None:
        super().__init__(config, state, app_state)
        self.last_heard = self.loop.time()
        self._backlog = b""
        self._loose = 0
        """Bytes since the last that belonged to a body or ended a head."""
        self._rest = 0
        self._in_body = False
        self._is_too_much = False
        self._is_cut = False
        self._running: Any = None
        self._waits_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request of it is being answered."""
        return self._running is None or self._running.response_complete

    # ---- the connection ----

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come; another one may have to go for it."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=HIGH, low=LOW)
        cast("Any", transport).max_size = READ
        self.flow = Flow(transport, self._go_on_soon)
        self._wait_for_head()
        self._make_room()

    def _make_room(self) -> None:
        others = cast("set[Connection]", self.connections) - {self}
        if len(others) < CONNECTIONS:
            return
        idle = [each for each in others if each.is_idle]
        if idle:
            oldest = min(idle, key=lambda each: each.last_heard)
            self.connections.discard(oldest)
            oldest.transport.abort()
        else:
            self._cut(_TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone. What was kept for it is let go of here: nothing may wait for a garbage collection."""
        running = self._running
        super().connection_lost(exc)
        if running is not None and not running.response_complete:
            running.disconnected = True  # uvicorn tells only the last of several pipelined requests
            running.message_event.set()
        self._unset_keepalive_if_required()
        if self._timer is not None:
            self._timer.cancel()
        cast("Flow", self.flow).wake = None
        self.pipeline.clear()
        self._backlog = b""
        self._running = self.cycle = self.scope = self.headers = self._timer = None  # type: ignore[assignment]

    # ---- bytes ----

    def data_received(self, data: bytes) -> None:
        """Take what came; what may not be looked at yet is kept back, and nothing more is read meanwhile."""
        self.last_heard = self.loop.time()
        if self._waits_since is None and self.is_idle:
            self._wait_for_head()
        self._feed(self._backlog + data if self._backlog else data)

    def _feed(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not (self._is_cut or self._must_wait or self.transport.is_closing()):
            part = data[at : at + (READ if self._in_body else _PART)]
            at += len(part)
            self._loose += len(part)
            super().data_received(part)
            if self._is_too_much or self._loose > HEAD:
                self._cut(_TOO_LONG)
        self._backlog = b"" if self._is_cut else data[at:]
        if self._backlog:
            self.flow.pause_reading()

    @property
    def _must_wait(self) -> bool:
        """Whether more is asked for than is being answered, or more of a body is here than was taken."""
        return self.flow.read_paused or bool(self.pipeline)

    def _go_on_soon(self) -> None:
        if self._backlog:
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        data, self._backlog = self._backlog, b""
        if data:
            self._feed(data)

    def _cut(self, words: bytes) -> None:
        """Listen no more: ``words`` where nothing else is being said, then the end."""
        self._is_cut = True
        if self.transport.is_closing():
            return
        if not self.is_idle:
            self.transport.abort()
            return
        self.transport.write(words)
        self._hang_up()

    def _hang_up(self) -> None:
        self._is_cut = True
        self.flow.pause_reading()
        self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.abort)

    # ---- time ----

    def _wait_for_head(self) -> None:
        self._waits_since = self.loop.time()
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_WITHIN, self._look)

    def _look(self) -> None:
        """Whether the head has come meanwhile; a request is not ended because the next one is slow."""
        self._timer = None
        if self._waits_since is None:
            return
        left = self._waits_since + HEAD_WITHIN - self.loop.time()
        if left <= 0 and self.is_idle:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(left if left > 0 else HEAD_WITHIN, self._look)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more was asked: the end, also for a client that has left its answer unread."""
        self.transport.abort()

    # ---- the parser's words ----

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_body = False
        self._wait_for_head()
        super().on_message_begin()
        scope = cast("dict[str, Any]", self.scope)
        scope["extensions"] = {FULL: cast("Flow", self.flow).is_full, CUT: self.transport.abort}

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head; what comes behind the body (trailers) nobody reads."""
        if self._in_body:
            return
        if len(self.headers) >= HEADERS:
            self._is_too_much = True
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole; its answer begins or is queued."""
        self._is_too_much = self._is_too_much or len(self.pipeline) >= PIPELINED
        if self._is_too_much:
            return
        self._in_body, self._loose, self._rest, self._waits_since = True, 0, 0, None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body; of one whose request has been answered not much more is read."""
        if self._is_too_much:
            return
        self._loose = 0
        super().on_body(body)
        if self.cycle.response_complete:
            self._rest += len(body)
            if self._rest > REST and not self._is_cut:
                self._hang_up()

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._is_too_much:
            return
        self._in_body, self._loose = False, 0
        if self.is_idle:
            self._waits_since = None
        super().on_message_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """The answer is written, though perhaps not read; a body that goes on has as long as a head."""
        if self.transport.is_closing():
            if self.transport.get_write_buffer_size():
                self.loop.call_later(HEAD_WITHIN, self.transport.abort)
            return
        if self._in_body and not self.pipeline:
            self._wait_for_head()
        super().on_response_complete()
