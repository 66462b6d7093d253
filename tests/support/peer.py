"""A daemon that does as its script says, a connection at a time, on a real Unix socket; for tests of the two clients.

A script is a function of one ``Peer``; the first connection gets the first script, and so on, the last one all further
ones. When a script returns, its connection is closed.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec

from innkeep import wire
from innkeep.framing import Framer, decode_request, encode
from support.messages import REPLIES

PATIENCE = 10.0
EXAMPLES: dict[type, Any] = {type(one): one for one in REPLIES}
DELTA = wire.Delta(id=0, text="half")
BEFORE_TEXT = [EXAMPLES[kind] for kind in (wire.Routed, wire.Waiting, wire.Loading, wire.Started)]


class Gone(Exception):
    """The client closed the connection."""


class Peer:
    """One connection, from the daemon's side."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self._connection = connection
        self._framer = Framer()
        self._bodies: list[bytes] = []
        self._number = 0

    def hear(self) -> Any:
        """The next request."""
        while not self._bodies:
            try:
                data = self._connection.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Gone
            self._bodies += self._framer.feed(data)
        request = decode_request(self._bodies.pop(0), "frames")
        self._number = request.id
        return request

    def say(self, *replies: Any, number: int | None = None) -> None:
        """Send these under the id of the last request heard."""
        for reply in replies:
            self.raw(encode(msgspec.structs.replace(reply, id=number or self._number), "frames"))

    def raw(self, data: bytes) -> None:
        """Send these bytes."""
        self._connection.sendall(data)


Script = Callable[[Peer], None]


@contextmanager
def daemon(path: Path, *scripts: Script) -> Iterator[SimpleQueue[Any]]:
    """A daemon at ``path``; its queue gets every request heard, and the scripts' own notes, in order."""
    reported: SimpleQueue[Any] = SimpleQueue()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threads = [threading.Thread(target=_accept, args=(listener, scripts, reported))]
        threads[0].start()
        try:
            yield reported
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            threads[0].join(PATIENCE)
    path.unlink()


def _accept(listener: socket.socket, scripts: tuple[Script, ...], reported: SimpleQueue[Any]) -> None:
    left = list(scripts)
    threads = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            break
        script = left.pop(0) if len(left) > 1 else left[0]
        threads.append(threading.Thread(target=_serve, args=(connection, script, reported)))
        threads[-1].start()
    for thread in threads:
        thread.join(PATIENCE)


def _serve(connection: socket.socket, script: Script, reported: SimpleQueue[Any]) -> None:
    peer = Peer(connection)
    hear = peer.hear

    def noted() -> Any:
        request = hear()
        reported.put(request)
        return request

    peer.hear = noted  # type: ignore[method-assign] - the queue sees what the script hears
    with connection, suppress(Gone, BrokenPipeError, ConnectionResetError):
        script(peer)


# ---- scripts ---------------------------------------------------------------------------------------------------------

ENDS: dict[type, type] = {
    wire.Hello: wire.Welcome,
    wire.Embed: wire.Embeddings,
    wire.RouteAsk: wire.RouteReply,
    wire.StatusAsk: wire.Status,
    wire.ModelsAsk: wire.Models,
    wire.Select: wire.Selected,
    wire.Load: wire.Loaded,
    wire.Unload: wire.Unloaded,
    wire.Pin: wire.Pinned,
    wire.Unpin: wire.Unpinned,
    wire.Hold: wire.Held,
    wire.Resume: wire.Resumed,
    wire.HistoryAsk: wire.History,
    wire.StatsAsk: wire.Stats,
    wire.RoutingAsk: wire.Routing,
    wire.Feedback: wire.Noted,
    wire.Shutdown: wire.Stopping,
}


VERBS = {
    "ping": ((), {}, wire.Hello(id=1, protocol=1, client="innkeep")),
    "embed": (("one",), {"model": "m"}, wire.Embed(id=1, model="m", input="one")),
    "route": (("why?",), {"session": "s"}, wire.RouteAsk(id=1, text="why?", session="s")),
    "status": ((), {}, wire.StatusAsk(id=1)),
    "models": ((), {}, wire.ModelsAsk(id=1)),
    "select": ((None,), {"role": "coding"}, wire.Select(id=1, model=None, role="coding")),
    "load": (("m",), {}, wire.Load(id=1, model="m")),
    "unload": ((), {"all": True}, wire.Unload(id=1, all=True)),
    "pin": (("m",), {}, wire.Pin(id=1, model="m")),
    "unpin": (("m",), {}, wire.Unpin(id=1, model="m")),
    "hold": ((60,), {"why": "call"}, wire.Hold(id=1, seconds=60, why="call")),
    "resume": ((), {}, wire.Resume(id=1)),
    "stats": ((), {}, wire.StatsAsk(id=1)),
    "routing": (("train",), {}, wire.RoutingAsk(id=1, action="train")),
    "history": ((), {"limit": 2, "request": "3f"}, wire.HistoryAsk(id=1, limit=2, request="3f")),
    "feedback": (("3f", "coding"), {}, wire.Feedback(id=1, request="3f", role="coding")),
    "shutdown": ((), {"drain": 2.0}, wire.Shutdown(id=1, drain=2.0)),
}
"""A client's verb -> how it is called, and the request that it then sends first."""


def answering(*pieces: str) -> Script:
    """Serve everything: a chat with these pieces, a watch with a snapshot and an event, others with their example."""

    def script(peer: Peer) -> None:
        while True:
            match peer.hear():
                case wire.Chat(stream=True):
                    peer.say(*BEFORE_TEXT, *[wire.Delta(id=0, text=one) for one in pieces])
                    peer.say(wire.Delta(id=0, thinking="hm"), msgspec.structs.replace(EXAMPLES[wire.Done], text=None))
                case wire.Chat():
                    peer.say(*BEFORE_TEXT, msgspec.structs.replace(EXAMPLES[wire.Done], text="".join(pieces)))
                case wire.Watch():
                    peer.say(EXAMPLES[wire.Status], EXAMPLES[wire.Event])
                case wire.Cancel():
                    pass
                case wire.Load() | wire.Unload() as request:
                    peer.say(EXAMPLES[wire.Loading], EXAMPLES[ENDS[type(request)]])
                case request:
                    peer.say(EXAMPLES[ENDS[type(request)]])

    return script


def hanging_up_after(*replies: Any) -> Script:
    """Hear one request, send these, and close."""

    def script(peer: Peer) -> None:
        peer.hear()
        peer.say(*replies)

    return script


def silent_after(*replies: Any) -> Script:
    """Hear one request, send these, then only listen until the client goes."""

    def script(peer: Peer) -> None:
        peer.hear()
        peer.say(*replies)
        while True:
            peer.hear()

    return script
