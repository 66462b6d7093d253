"""One connection on the control socket: bytes in, requests started, replies out in the peer's dialect.

Each request is a task; leaving the connection cancels them all. Replies are put into the ``Writer`` at once and without
waiting; only who produces much (an answer's pieces) waits for room: a slow reader stops its own model and nobody else.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

import anyio
from anyio.abc import ByteStream, TaskGroup

from innkeep import wire
from innkeep.errors import InnkeepError, from_code
from innkeep.framing import Dialect, Framer, decode_request, encode, ends_connection, error_reply
from innkeepd.backends.backend import BackendFault
from innkeepd.chat.types import RequestFailed
from innkeepd.machine.offload import SMALL, off_loop
from innkeepd.server.socket.bulk import FREE, TOO_MANY, is_bulky
from innkeepd.server.socket.reader import Reader
from innkeepd.server.socket.writer import LAST_WORDS, Writer
from innkeepd.supervision import described

MOST_OPEN = 1024
"""Requests that may be open on one connection."""
MID_FRAME = 30.0
"""Seconds that a peer may be silent in the middle of a frame."""
STUCK = 60.0
"""Seconds that a peer may leave what it is told unread."""
DESERTED_EVERY = 0.25
"""Seconds between two looks whether a peer that asks no more is still there for its answers."""

Verb: TypeAlias = Callable[["Session", Any], Awaitable[None]]


class Session:
    """A connection and its open requests."""

    def __init__(
        self, stream: ByteStream, verbs: Mapping[type, Verb], *, patience: Callable[[], float] = lambda: STUCK
    ) -> None:
        self.client = ""
        self.looking_up = anyio.Lock()
        """For verbs whose answers are large: one at a time."""
        self._stream = stream
        self._verbs = verbs
        self._framer = Framer()
        self._open: dict[int, anyio.CancelScope] = {}
        self._ended = anyio.Event()
        self._reader = Reader(stream)
        self._writer = Writer(stream, patience=patience)

    def __repr__(self) -> str:
        return f"<Session {self.client or 'unnamed'}, {len(self._open)} open>"

    @property
    def dialect(self) -> Dialect:
        """How we answer; lines until the peer has said anything that we understand."""
        return self._framer.dialect or "lines"

    async def run(self) -> None:
        """Serve until the peer leaves; its open requests are cancelled then, but for answers to a half-closed peer."""
        try:
            async with anyio.create_task_group() as tasks:
                self._writer.start(tasks, tasks.cancel_scope)
                try:
                    await self._read(tasks)
                    await self._finish_answers()
                    await self._writer.drained()
                finally:
                    tasks.cancel_scope.cancel()
                    await self._requests_ended()
                    await self._writer.finish()
        finally:
            self._reader.close()
            await self._writer.aclose()

    async def _read(self, tasks: TaskGroup) -> None:
        """Take requests until the peer asks no more; broken framing or a peer that is gone ends what is open."""
        try:
            while (data := await self._receive()) is not None:
                for body in self._framer.feed(data):
                    await self._take(body, tasks)
            for body in self._framer.end():
                await self._take(body, tasks)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._leave()
        except TimeoutError:
            self._refuse(from_code("bad_message", f"silent for {MID_FRAME:g} s in the middle of a message"))
            self._leave()
        except InnkeepError as fault:
            self._refuse(fault)
            self._leave()

    async def _receive(self) -> bytes | None:
        """The next bytes; None at the end of input. Raises ``TimeoutError`` in the middle of a frame."""
        await self._writer.ebb()
        try:
            if not self._framer.mid_frame:
                return await self._reader.receive()
            with anyio.fail_after(MID_FRAME):
                return await self._reader.receive()
        except anyio.EndOfStream:
            return None

    async def _take(self, body: bytes, tasks: TaskGroup) -> None:
        if len(body) > FREE:
            form: Literal["json", "msgpack"] = "msgpack" if self.dialect == "frames" else "json"
            if await anyio.to_thread.run_sync(is_bulky, body, form):
                raise from_code("bad_message", TOO_MANY)
        try:
            request = await off_loop(len(body) > SMALL, partial(decode_request, body, self.dialect))
        except InnkeepError as fault:
            if ends_connection(fault):
                raise
            self._refuse(fault)
            return
        if request.id in self._open:
            text = f"id {request.id} is still open on this connection; choose another"
            self.send(wire.Error(id=request.id, code="bad_request", message=text, detail={"field": "id"}))
            return
        if len(self._open) >= MOST_OPEN:
            text = f"{MOST_OPEN} requests are open on this connection; wait for some of them to end"
            self.send(wire.Error(id=request.id, code="queue_full", message=text, retryable=True))
            return
        self._open[request.id] = anyio.CancelScope()
        tasks.start_soon(self._serve, request)

    async def _serve(self, request: wire.Request) -> None:
        scope = self._open[request.id]
        try:
            with scope:
                await self._answer(request)
            if scope.cancelled_caught:
                self.send(wire.Error(id=request.id, code="cancelled", message="the request was cancelled"))
        finally:
            self._open.pop(request.id, None)
            self._ended.set()

    async def _answer(self, request: wire.Request) -> None:
        try:
            await self._verbs[type(request)](self, request)
        except RequestFailed as failure:
            self._fail(request.id, failure.code, failure.message, failure.detail)
        except BackendFault as fault:
            self._fail(request.id, fault.code, fault.message, {})
        except Exception as error:  # noqa: BLE001
            self._fail(request.id, "internal", f"a fault of innkeepd itself: {described(error)}", {})

    def _fail(self, request: int, code: str, message: str, detail: dict[str, Any]) -> None:
        retryable = from_code(code, message).retryable
        self.send(wire.Error(id=request, code=code, message=message, retryable=retryable, detail=detail))

    def cancel(self, target: int) -> bool:
        """End an open request of this connection; whether there was one."""
        scope = self._open.get(target)
        if scope is not None:
            scope.cancel()
        return scope is not None

    # ---- out ----

    def send(self, reply: wire.Reply, *, soon: bool = True) -> None:
        """Tell, without waiting; news of no hurry may be told with what comes next."""
        try:
            self._writer.put(encode(reply, self.dialect), soon=soon)
        except InnkeepError as fault:
            self._writer.put(encode(error_reply(fault), self.dialect))

    def flush(self) -> None:
        """Let what was told go out before anything else is done."""
        self._writer.flush()

    async def room(self) -> None:
        """Wait until the peer has read enough of what it was sent. Raises ``ClientStuck`` where it was cut off."""
        await self._writer.room()

    async def drained(self) -> None:
        """Wait until everything is on its way, or the peer is gone."""
        await self._writer.drained()

    @property
    def unsent(self) -> int:
        """Bytes that the peer has yet to read."""
        return self._writer.kept

    @property
    def is_full(self) -> bool:
        """Whether the peer has much left to read."""
        return self._writer.is_full

    def _refuse(self, fault: InnkeepError) -> None:
        self.send(error_reply(fault))

    # ---- the end ----

    def _leave(self) -> None:
        for scope in list(self._open.values()):
            scope.cancel()

    async def _finish_answers(self) -> None:
        """Half-closing is no cancel: what was asked is still answered, unless the peer has left altogether."""
        while self._open:
            if self._writer.is_deserted():
                self._leave()
            self._ended = anyio.Event()
            with anyio.move_on_after(DESERTED_EVERY):
                await self._ended.wait()

    async def _requests_ended(self) -> None:
        """Wait for cancelled requests: an answer that is complete still sends its `done` once its record is kept."""
        with anyio.move_on_after(LAST_WORDS, shield=True):
            while self._open:
                self._ended = anyio.Event()
                await self._ended.wait()
