"""A scripted innkeepd on a real Unix socket, in threads, for tests of the command: it keeps no model."""

import io
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from innkeep import wire

Script = Callable[[Any], Iterable[Any]]

UNTIL_CANCELLED = object()
"""Yielded by a script: say nothing more until the request is cancelled (or the test has waited far too long)."""

HANG_UP = object()
"""Yielded by a script: close the connection."""

PATIENCE = 10.0


class ScriptedDaemon:
    """``script[wire.StatusAsk] = lambda request: [reply]``; replies go out under the request's id, whatever theirs is.

    ``requests`` holds every request but ``hello`` in the order in which they came.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.script: dict[type, Script] = {}
        self.requests: list[Any] = []
        self.cancelled = threading.Event()
        self._decoder = msgspec.msgpack.Decoder(wire.Request)
        self._encoder = msgspec.msgpack.Encoder()
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """End every thread."""
        self.cancelled.set()
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def last(self, kind: type) -> Any:
        """The last request of ``kind``."""
        return next(one for one in reversed(self.requests) if isinstance(one, kind))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._spawn(self._serve, connection)

    def _spawn(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        lock = threading.Lock()
        with suppress(OSError), connection.makefile("rb") as reader:  # a client that leaves may reset the connection
            while len(head := reader.read(4)) == 4:
                request = self._decoder.decode(reader.read(struct.unpack(">I", head)[0]))
                self._spawn(self._answer, connection, lock, request)

    def _answer(self, connection: socket.socket, lock: threading.Lock, request: Any) -> None:
        try:
            for reply in self._replies(request):
                if reply is HANG_UP:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                if reply is UNTIL_CANCELLED:
                    self.cancelled.wait(PATIENCE)
                    self._send(connection, lock, wire.Error(id=request.id, code="cancelled", message="cancelled"))
                    return
                self._send(connection, lock, msgspec.structs.replace(reply, id=request.id))
        except OSError:
            self.cancelled.set()  # the client is gone, which cancels what it had asked

    def _replies(self, request: Any) -> Iterable[Any]:
        if isinstance(request, wire.Hello):
            return [wire.Welcome(id=0, protocol=1, daemon="0.1.0", pid=4711)]
        if isinstance(request, wire.Cancel):
            self.cancelled.set()
            return [wire.Cancelled(id=0, target=request.target, found=True)]
        self.requests.append(request)
        script = self.script.get(type(request))
        if script is None:
            return [wire.Error(id=0, code="bad_request", message=f"no script for {type(request).__name__}")]
        return script(request)

    def _send(self, connection: socket.socket, lock: threading.Lock, reply: Any) -> None:
        body = self._encoder.encode(reply)
        with lock:
            connection.sendall(struct.pack(">I", len(body)) + body)


class Stream(io.StringIO):
    """Standard output or error as a test sees it."""

    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


# ---- what it says ----------------------------------------------------------------------------------------------------

GIB = 2**30


def a_status(**changes: Any) -> wire.Status:
    """A house with one 32B and one 8B in it."""
    status = wire.Status(
        id=0,
        protocol=1,
        daemon="0.1.0",
        pid=4711,
        uptime=7830.0,
        backend=wire.BackendState(url="http://127.0.0.1:11434", reachable=True, version="0.17.4"),
        memory=wire.MemoryState(
            total=36 * GIB, budget=27 * GIB, available=3 * GIB, pressure="normal", source="vm_stat"
        ),
        resident=[
            wire.Resident(
                "qwen2.5-coder:32b", "heavy", 21 * GIB, 8192, 1, pinned=False, owned=True, since=1000.0, expires=None
            ),
            wire.Resident(
                "llama3.1:8b", "light", 6 * GIB, 4096, 0, pinned=False, owned=False, since=1000.0, expires=2060.0
            ),
        ],
        changing=[],
        waiting=[],
        oldest_wait=None,
        selected=None,
        held_until=None,
        counters=wire.Counters(requests=12, swaps=1, loads=2),
    )
    return msgspec.structs.replace(status, **changes)


def a_route(model: str = "qwen2.5-coder:32b") -> wire.Routed:
    """The first reply to a chat."""
    return wire.Routed(
        id=0, request="3f9a01", role="coding", confidence=0.9, model=model, candidates=[model], reason="the word code"
    )


def half_an_answer(text: str, *then: Any) -> Script:
    """A chat that is routed, started and told ``text``; then whatever comes ``then``."""
    return lambda _: [a_route(), wire.Started(id=0, model="m", attempt=1), wire.Delta(id=0, text=text), *then]


def an_answer(
    *pieces: str, model: str = "qwen2.5-coder:32b", before: Iterable[Any] = (), finish: str = "stop"
) -> Script:
    """A chat: routed, whatever comes ``before``, started, the pieces (whole in ``done`` without ``stream``)."""

    def script(request: wire.Chat) -> Iterable[Any]:
        yield a_route(model)
        yield from before
        yield wire.Started(id=0, model=model, attempt=1)
        if request.stream:
            for piece in pieces:
                yield wire.Delta(id=0, text=piece)
        yield wire.Done(
            id=0,
            model=model,
            role="coding",
            finish_reason=finish,
            usage=wire.Usage(20, len(pieces)),
            timings=wire.Timings(queued=12.0, swap=11.0, first_token=0.5, total=14.0, tokens_per_second=11.2),
            attempts=[wire.AttemptRecord(model, "answered", seconds=2.0)],
            text=None if request.stream else "".join(pieces),
        )

    return script


def a_record(**changes: Any) -> wire.DecisionRecord:
    """A decision record."""
    fields = {
        "id": "3f9a01",
        "asked_at": 1_700_000_000.0,
        "client": "innkeep",
        "role": "coding",
        "confidence": 0.9,
        "reason": "the word code",
        "chain": ["qwen2.5-coder:32b", "deepseek-r1:32b"],
        "model": "qwen2.5-coder:32b",
        "outcome": "answered",
        "attempts": [wire.AttemptRecord("qwen2.5-coder:32b", "answered", seconds=2.0)],
        "timings": wire.Timings(queued=12.0, swap=11.0, first_token=0.5, total=14.0, tokens_per_second=11.24),
        "prompt_tokens": 20,
        "completion_tokens": 3,
    }
    return wire.DecisionRecord(**(fields | changes))
