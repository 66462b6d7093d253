"""``Client``: the daemon from ordinary code. Needs msgspec and sockets, no event loop.

    with Client() as client:
        for piece in client.chat("왜 하늘은 파란가?"):
            print(piece, end="", flush=True)

Each open request has a connection of its own, so that requests may be interleaved at will, on one thread or several,
and only the one that is read slowly is slowed down. A connection whose request has ended serves the next.
"""

from __future__ import annotations  # evaluating them would cost a command 3 ms at its start

import socket as sockets
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Self, TypeVar

from innkeep import wire
from innkeep.conversation import Conversation
from innkeep.errors import ConnectionFailed, ConnectionLost, InnkeepError
from innkeep.paths import socket_name
from innkeep.requests import (
    AnswerSoFar,
    Prompt,
    chat_request,
    client_closed,
    error_of,
    greeting,
    route_request,
    unanswered,
    unreachable,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterator, Mapping, Sequence

    Replies = Generator[wire.Reply, None, None]

__all__ = ["Answer", "Client"]

CHUNK = 65_536
"""Bytes read at once."""

GOODBYE = 1.0
"""Seconds that telling the daemon of a cancelled request may take."""

R = TypeVar("R")


class Answer(AnswerSoFar):
    """A chat's answer, asked when it is first read. Iterate over it for the pieces of text, or over ``replies()``.

    As a context manager it cancels what is left of the answer when it is left early; so does ``close``.
    """

    def __init__(self, replies: Replies) -> None:
        super().__init__()
        self._replies = replies

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[str]:
        for reply in self._replies:
            if piece := self._note(reply):
                yield piece

    def replies(self) -> Iterator[wire.Reply]:
        """Every reply from where the answer stands, ``done`` included; raises ``InnkeepError``."""
        for reply in self._replies:
            self._note(reply)
            yield reply

    def read(self) -> str:
        """Wait for the rest; the whole text."""
        for _ in self.replies():
            pass
        return self.text

    def close(self) -> None:
        """Cancel what is left of the answer."""
        self._replies.close()


class Client:
    """Asks the daemon at ``socket``, a path; None: where ``innkeep.paths`` says. Nothing is opened before it is needed.

    ``name`` tells people who asks, in the status and the history; without one nothing is told.
    ``timeout``: the most seconds to wait for the daemon's next reply, None: as long as it takes. ``greet_within``: each
    new connection greets first, and the daemon has so many seconds to answer; None: no greeting. launchd and systemd
    accept connections for a daemon that cannot start, and only a greeting tells that. Every method raises an
    ``innkeep.errors.InnkeepError`` whose text is one line for a person.
    """

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        *,
        timeout: float | None = None,
        name: str = "",
        greet_within: float | None = None,
    ) -> None:
        self.path = socket_name(socket)
        self.timeout = timeout
        self.name = name
        self.greet_within = greet_within
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()

    def __repr__(self) -> str:
        return f"<Client {self.path}: {len(self._busy)} requests open>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is open and close every connection; a later request opens a new one."""
        for connection in (*self._busy, *self._idle):
            connection.leave()
        self._idle.clear()

    # ---- any request ---------------------------------------------------------------------------------------------

    def request(self, request: wire.Request) -> wire.Reply:
        """Send a request (its ``id`` is given here) and wait for the reply that ends it."""
        reply: wire.Reply
        for reply in self.stream(request):
            end = reply
        return end

    def stream(self, request: wire.Request) -> Replies:
        """Send a request (its ``id`` is given here) and give every reply; leaving early cancels it.

        A request that has had no reply when the connection breaks is sent once more, on a new one. After that it raises
        ``ConnectionLost``, whose ``partial`` tells whether text had come.
        """
        connection, first, rest = self._begin(request)
        try:
            for reply in chain((first,), rest):
                if isinstance(reply, wire.Error):
                    raise error_of(reply)
                yield reply
        finally:
            self._end(connection)

    def _begin(self, request: wire.Request) -> tuple[_Connection, wire.Reply, Replies]:
        try:
            return self._first(self._idle.pop() if self._idle else self._connect(), request)
        except ConnectionLost:
            return self._first(self._connect(), request)

    def _connect(self) -> _Connection:
        return _Connection(self.path, self.timeout, self.name, self.greet_within)

    def _first(self, connection: _Connection, request: wire.Request) -> tuple[_Connection, wire.Reply, Replies]:
        self._busy.add(connection)
        replies = connection.replies(request)
        try:
            return connection, next(replies), replies
        except BaseException:
            self._end(connection)
            raise

    def _end(self, connection: _Connection) -> None:
        self._busy.discard(connection)
        if connection.is_reusable:
            self._idle.append(connection)
        else:
            connection.leave()

    def _one(self, request: wire.Request, kind: type[R]) -> R:
        reply = self.request(request)
        assert isinstance(reply, kind)  # noqa: S101  # the conversation lets no other reply through
        return reply

    # ---- asking models -------------------------------------------------------------------------------------------

    def chat(
        self,
        prompt: Prompt,
        *,
        model: str | None = None,
        fallbacks: Sequence[str] | None = None,
        role: wire.Role | None = None,
        options: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        format: str | Mapping[str, Any] | None = None,  # noqa: A002  # the wire's name, and Ollama's
        think: wire.Think = None,
        priority: wire.Priority = "interactive",
        patience: float | None = None,
        deadline: float | None = None,
        session: str | None = None,
        last: bool = False,
        stream: bool = True,
    ) -> Answer:
        """Ask a model; ``wire.Chat`` says what the arguments mean. It is sent when the answer is first read."""
        request = chat_request(
            prompt,
            model=model,
            fallbacks=fallbacks,
            role=role,
            options=options,
            tools=tools,
            format=format,
            think=think,
            priority=priority,
            patience=patience,
            deadline=deadline,
            session=session,
            last=last,
            stream=stream,
        )
        return Answer(self.stream(request))

    def embed(self, input: str | list[str], *, model: str) -> wire.Embeddings:  # noqa: A002  # the wire's name
        """Vectors of one text or several."""
        return self._one(wire.Embed(id=0, model=model, input=input), wire.Embeddings)

    def route(self, prompt: Prompt, *, session: str | None = None) -> wire.RouteReply:
        """Where a prompt would go, and why; nothing is loaded."""
        return self._one(route_request(prompt, session), wire.RouteReply)

    # ---- the house -----------------------------------------------------------------------------------------------

    def ping(self) -> wire.Welcome:
        """Greet the daemon; raises ``UnsupportedProtocol`` if it is too old."""
        return self._one(greeting(self.name or "innkeep"), wire.Welcome)

    def status(self) -> wire.Status:
        """A snapshot of the house."""
        return self._one(wire.StatusAsk(id=0), wire.Status)

    def watch(self, kinds: Sequence[wire.EventKind] | None = None, *, every: float | None = None) -> Replies:
        """A snapshot, then events until it is closed; no ``kinds``: all of them.

        ``every``: a snapshot after each change too, at most one in so many seconds.
        """
        return self.stream(wire.Watch(id=0, kinds=None if kinds is None else list(kinds), every=every))

    def models(self) -> wire.Models:
        """What is known of every model."""
        return self._one(wire.ModelsAsk(id=0), wire.Models)

    def select(self, model: str | None, *, role: wire.Role | None = None) -> wire.Selected:
        """Send chats that name no model to ``model`` (None: automatic again), or make it ``role``'s primary."""
        return self._one(wire.Select(id=0, model=model, role=role), wire.Selected)

    def load(self, model: str) -> wire.Loaded:
        """Bring a model into memory and wait until it is there."""
        return self._one(wire.Load(id=0, model=model), wire.Loaded)

    def unload(
        self,
        model: str | None = None,
        *,
        all: bool = False,  # noqa: A002  # the wire's name
        cancel_load: bool = False,
    ) -> wire.Unloaded:
        """Take a model, or ``all``, out of memory and wait until it is gone."""
        return self._one(wire.Unload(id=0, model=model, all=all, cancel_load=cancel_load), wire.Unloaded)

    def pin(self, model: str) -> wire.Pinned:
        """Keep a model in memory."""
        return self._one(wire.Pin(id=0, model=model), wire.Pinned)

    def unpin(self, model: str) -> wire.Unpinned:
        """Take a pin back."""
        return self._one(wire.Unpin(id=0, model=model), wire.Unpinned)

    def hold(self, seconds: float, *, why: str = "") -> wire.Held:
        """Unload everything, wait until that is done, and load nothing for ``seconds``."""
        return self._one(wire.Hold(id=0, seconds=seconds, why=why), wire.Held)

    def resume(self) -> wire.Resumed:
        """End a hold early."""
        return self._one(wire.Resume(id=0), wire.Resumed)

    def stats(self, *, since: float | None = None) -> wire.Stats:
        """What shadow routing counted; ``since`` (seconds since 1970): the sums of the time from then on too."""
        return self._one(wire.StatsAsk(id=0, since=since), wire.Stats)

    def routing(self, action: wire.RoutingAction = "show") -> wire.Routing:
        """What feedback taught the router; ``train`` fits it to that, ``undo`` takes the last fit back."""
        return self._one(wire.RoutingAsk(id=0, action=action), wire.Routing)

    def history(
        self,
        *,
        limit: int = 20,
        request: str | None = None,
        since: float | None = None,
        model: str | None = None,
        role: str | None = None,
        outcome: str | None = None,
        slower: float | None = None,
    ) -> wire.History:
        """Decision records, newest first; ``request``: that one's. ``wire.HistoryAsk`` has the conditions."""
        ask = wire.HistoryAsk(
            id=0, limit=limit, request=request, since=since, model=model, role=role, outcome=outcome, slower=slower
        )
        return self._one(ask, wire.History)

    def feedback(self, request: str, role: wire.Role) -> wire.Noted:
        """Say what role a past request should have had."""
        return self._one(wire.Feedback(id=0, request=request, role=role), wire.Noted)

    def shutdown(self, *, drain: float | None = None) -> wire.Stopping:
        """Stop the daemon once running answers have ended, at most ``drain`` seconds from now."""
        return self._one(wire.Shutdown(id=0, drain=drain), wire.Stopping)


class _Connection:
    """A socket and its conversation, for one request after another."""

    def __init__(self, path: str, timeout: float | None, name: str, greet_within: float | None = None) -> None:
        self.timeout = timeout
        self._conversation = Conversation()
        self._introduction = self._conversation.introduce(name) if name and greet_within is None else b""
        self._number = 0
        self._is_open = True
        self._is_left = False
        self._socket = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout if greet_within is None else greet_within)
            self._socket.connect(path)
        except OSError as fault:
            self.leave()
            raise unreachable(path, fault) from None
        if greet_within is not None:
            self._greet(path, name, greet_within)
            self._socket.settimeout(timeout)

    @property
    def is_reusable(self) -> bool:
        """Whether the last request has had its end."""
        return self._is_open and not self._conversation.open

    def replies(self, request: wire.Request) -> Replies:
        """Send ``request`` and give its replies to the end; raises ``ConnectionLost``, before the first too."""
        self._number, data = self._conversation.ask(request)
        try:
            self._socket.sendall(self._introduction + data)
            self._introduction = b""
            while self._number in self._conversation.open:
                yield from self._conversation.receive(self._arrived())
            if self._is_left or not self._is_open:
                raise client_closed()
        except TimeoutError:
            self._close()
            raise self._conversation.silent(self._number, self.timeout) from None
        except OSError:
            if not self._is_open:
                raise client_closed() from None
            self._close()
            raise self._conversation.lost(self._number) from None

    def _greet(self, path: str, name: str, within: float) -> None:
        """Say hello; raises ``ConnectionFailed`` where nobody answers ``within`` seconds."""
        try:
            for reply in self.replies(greeting(name or "innkeep")):
                if isinstance(reply, wire.Error):
                    raise error_of(reply)
        except InnkeepError as fault:
            self._close()
            if type(fault) is ConnectionFailed:  # silence; a connection that broke is tried once more
                raise unanswered(path, within) from None
            raise

    def leave(self) -> None:
        """Cancel the request under way, if there is one, and close."""
        self._is_left = True  # before the request ends in the conversation: another thread may be reading its replies
        if self._is_open and (goodbye := self._conversation.cancel(self._number)):
            with suppress(OSError):
                self._socket.settimeout(GOODBYE)
                self._socket.sendall(goodbye)
        self._close()

    def _arrived(self) -> bytes:
        data = self._socket.recv(CHUNK)
        if not data:
            raise ConnectionResetError
        return data

    def _close(self) -> None:
        self._is_open = False
        with suppress(OSError):  # wakes a thread that waits for a reply
            self._socket.shutdown(sockets.SHUT_RDWR)
        self._socket.close()
