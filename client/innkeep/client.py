"""``AsyncClient``: the daemon from asyncio or trio.

    async with AsyncClient() as client, client.chat("왜 하늘은 파란가?") as answer:
        async for piece in answer:
            print(piece, end="", flush=True)

Each open request has a connection of its own, so that any number may be open in any tasks, only the one that is read
slowly is slowed down, and no task runs behind the caller's back. A connection whose request has ended serves the next.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from itertools import chain
from typing import Any, Self, TypeVar

import anyio
from anyio.abc import SocketStream

from innkeep import wire
from innkeep.conversation import Conversation
from innkeep.errors import ConnectionLost
from innkeep.paths import socket_name
from innkeep.requests import (
    AnswerSoFar,
    Prompt,
    chat_request,
    client_closed,
    error_of,
    greeting,
    route_request,
    unreachable,
)

__all__ = ["AsyncAnswer", "AsyncClient"]

GOODBYE = 1.0
"""Seconds that telling the daemon of a cancelled request may take."""

_BROKEN = (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)

Replies = AsyncGenerator[wire.Reply, None]
R = TypeVar("R")
T = TypeVar("T")


class AsyncAnswer(AnswerSoFar):
    """A chat's answer, asked when it is first read. Iterate over it for the pieces of text, or over ``replies()``.

    As a context manager it cancels what is left of the answer when it is left early; so does ``aclose``.
    """

    def __init__(self, replies: Replies) -> None:
        super().__init__()
        self._replies = replies

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while True:
            if piece := self._note(await anext(self._replies)):
                return piece

    def replies(self) -> AsyncIterator[wire.Reply]:
        """Every reply from where the answer stands, ``done`` included; raises ``InnkeepError``."""
        return _Noted(self)

    async def read(self) -> str:
        """Wait for the rest; the whole text."""
        async for _ in self:
            pass
        return self.text

    async def aclose(self) -> None:
        """Cancel what is left of the answer."""
        await self._replies.aclose()


class _Noted:
    """An answer's replies. No generator: one that is left early would have to be closed too."""

    def __init__(self, answer: AsyncAnswer) -> None:
        self._answer = answer

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> wire.Reply:
        reply = await anext(self._answer._replies)  # noqa: SLF001  # a part of the answer
        self._answer._note(reply)  # noqa: SLF001
        return reply


class AsyncClient:
    """Asks the daemon at ``socket``, a path; None: where ``innkeep.paths`` says. Nothing is opened before it is needed.

    ``name`` tells people who asks, in the status and the history; without one nothing is told.
    ``timeout``: the most seconds to wait for the daemon's next reply, None: as long as it takes. Every method raises an
    ``innkeep.errors.InnkeepError`` whose text is one line for a person. Generators that are left early are closed with
    ``contextlib.aclosing``, an answer with ``async with``.
    """

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        *,
        timeout: float | None = None,
        name: str = "",
    ) -> None:
        self.path = socket_name(socket)
        self.timeout = timeout
        self.name = name
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()

    def __repr__(self) -> str:
        return f"<AsyncClient {self.path}: {len(self._busy)} requests open>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel what is open and close every connection; a later request opens a new one."""
        idle, self._idle = self._idle, []
        for connection in (*self._busy, *idle):
            await connection.leave()

    # ---- any request ---------------------------------------------------------------------------------------------

    async def request(self, request: wire.Request) -> wire.Reply:
        """Send a request (its ``id`` is given here) and wait for the reply that ends it."""
        async with aclosing(self.stream(request)) as replies:
            async for reply in replies:
                end = reply
        return end

    async def stream(self, request: wire.Request) -> Replies:
        """Send a request (its ``id`` is given here) and give every reply; closing it early cancels it.

        A request that has had no reply when the connection breaks is sent once more, on a new one. After that it raises
        ``ConnectionLost``, whose ``partial`` tells whether text had come.
        """
        connection, replies = await self._begin(request)
        try:
            while True:
                for reply in replies:
                    if isinstance(reply, wire.Error):
                        raise error_of(reply)
                    yield reply
                if connection.is_reusable:
                    return
                replies = await connection.receive()
        finally:
            await self._end(connection)

    async def _begin(self, request: wire.Request) -> "tuple[_Connection, Iterator[wire.Reply]]":
        connection = self._idle.pop() if self._idle else await self._connect()
        try:
            return await self._first(connection, request)
        except ConnectionLost:
            return await self._first(await self._connect(), request)

    async def _connect(self) -> "_Connection":
        connection = _Connection(self.path, self.timeout, self.name)
        await connection.connect()
        return connection

    async def _first(
        self, connection: "_Connection", request: wire.Request
    ) -> "tuple[_Connection, Iterator[wire.Reply]]":
        self._busy.add(connection)
        try:
            await connection.ask(request)
            while True:
                replies = await connection.receive()
                for first in replies:
                    return connection, chain((first,), replies)
        except BaseException:
            await self._end(connection)
            raise

    async def _end(self, connection: "_Connection") -> None:
        self._busy.discard(connection)
        if connection.is_reusable:
            self._idle.append(connection)
        else:
            await connection.leave()

    async def _one(self, request: wire.Request, kind: type[R]) -> R:
        reply = await self.request(request)
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
    ) -> AsyncAnswer:
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
        return AsyncAnswer(self.stream(request))

    async def embed(self, input: str | list[str], *, model: str) -> wire.Embeddings:  # noqa: A002  # the wire's name
        """Vectors of one text or several."""
        return await self._one(wire.Embed(id=0, model=model, input=input), wire.Embeddings)

    async def route(self, prompt: Prompt, *, session: str | None = None) -> wire.RouteReply:
        """Where a prompt would go, and why; nothing is loaded."""
        return await self._one(route_request(prompt, session), wire.RouteReply)

    # ---- the house -----------------------------------------------------------------------------------------------

    async def ping(self) -> wire.Welcome:
        """Greet the daemon; raises ``UnsupportedProtocol`` if it is too old."""
        return await self._one(greeting(self.name or "innkeep"), wire.Welcome)

    async def status(self) -> wire.Status:
        """A snapshot of the house."""
        return await self._one(wire.StatusAsk(id=0), wire.Status)

    def watch(self, kinds: Sequence[wire.EventKind] | None = None, *, every: float | None = None) -> Replies:
        """A snapshot, then events until it is closed; no ``kinds``: all of them.

        ``every``: a snapshot after each change too, at most one in so many seconds.
        """
        return self.stream(wire.Watch(id=0, kinds=None if kinds is None else list(kinds), every=every))

    async def models(self) -> wire.Models:
        """What is known of every model."""
        return await self._one(wire.ModelsAsk(id=0), wire.Models)

    async def select(self, model: str | None, *, role: wire.Role | None = None) -> wire.Selected:
        """Send chats that name no model to ``model`` (None: automatic again), or make it ``role``'s primary."""
        return await self._one(wire.Select(id=0, model=model, role=role), wire.Selected)

    async def load(self, model: str) -> wire.Loaded:
        """Bring a model into memory and wait until it is there."""
        return await self._one(wire.Load(id=0, model=model), wire.Loaded)

    async def unload(
        self,
        model: str | None = None,
        *,
        all: bool = False,  # noqa: A002  # the wire's name
        cancel_load: bool = False,
    ) -> wire.Unloaded:
        """Take a model, or ``all``, out of memory and wait until it is gone."""
        return await self._one(wire.Unload(id=0, model=model, all=all, cancel_load=cancel_load), wire.Unloaded)

    async def pin(self, model: str) -> wire.Pinned:
        """Keep a model in memory."""
        return await self._one(wire.Pin(id=0, model=model), wire.Pinned)

    async def unpin(self, model: str) -> wire.Unpinned:
        """Take a pin back."""
        return await self._one(wire.Unpin(id=0, model=model), wire.Unpinned)

    async def hold(self, seconds: float, *, why: str = "") -> wire.Held:
        """Unload everything, wait until that is done, and load nothing for ``seconds``."""
        return await self._one(wire.Hold(id=0, seconds=seconds, why=why), wire.Held)

    async def resume(self) -> wire.Resumed:
        """End a hold early."""
        return await self._one(wire.Resume(id=0), wire.Resumed)

    async def stats(self, *, since: float | None = None) -> wire.Stats:
        """What shadow routing counted; ``since`` (seconds since 1970): the sums of the time from then on too."""
        return await self._one(wire.StatsAsk(id=0, since=since), wire.Stats)

    async def routing(self, action: wire.RoutingAction = "show") -> wire.Routing:
        """What feedback taught the router; ``train`` fits it to that, ``undo`` takes the last fit back."""
        return await self._one(wire.RoutingAsk(id=0, action=action), wire.Routing)

    async def history(
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
        return await self._one(ask, wire.History)

    async def feedback(self, request: str, role: wire.Role) -> wire.Noted:
        """Say what role a past request should have had."""
        return await self._one(wire.Feedback(id=0, request=request, role=role), wire.Noted)

    async def shutdown(self, *, drain: float | None = None) -> wire.Stopping:
        """Stop the daemon once running answers have ended, at most ``drain`` seconds from now."""
        return await self._one(wire.Shutdown(id=0, drain=drain), wire.Stopping)


class _Connection:
    """A stream and its conversation, for one request after another."""

    def __init__(self, path: str, timeout: float | None, name: str) -> None:
        self.path = path
        self.timeout = timeout
        self._conversation = Conversation()
        self._introduction = self._conversation.introduce(name) if name else b""
        self._number = 0
        self._stream: SocketStream | None = None

    @property
    def is_reusable(self) -> bool:
        """Whether the last request has had its end."""
        return self._stream is not None and not self._conversation.open

    async def connect(self) -> None:
        """Raises ``ConnectionFailed``."""
        try:
            with anyio.fail_after(self.timeout):
                self._stream = await anyio.connect_unix(self.path)
        except OSError as fault:
            raise unreachable(self.path, fault) from None

    async def ask(self, request: wire.Request) -> None:
        """Send ``request``; raises ``ConnectionLost``."""
        self._number, data = self._conversation.ask(request)
        introduction, self._introduction = self._introduction, b""
        await self._within_timeout(lambda stream: stream.send(introduction + data))

    async def receive(self) -> Iterator[wire.Reply]:
        """The replies that come next, perhaps none; raises ``ConnectionLost``."""
        return self._conversation.receive(await self._within_timeout(lambda stream: stream.receive()))

    async def leave(self) -> None:
        """Cancel the request under way, if there is one, and close; a cancelled caller does that too."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        if goodbye := self._conversation.cancel(self._number):
            with suppress(*_BROKEN, anyio.BusyResourceError), anyio.move_on_after(GOODBYE, shield=True):
                await stream.send(goodbye)
        await anyio.aclose_forcefully(stream)

    async def _within_timeout(self, act: Callable[[SocketStream], Awaitable[T]]) -> T:
        try:
            with anyio.fail_after(self.timeout):
                return await act(self._opened())
        except TimeoutError:
            raise self._conversation.silent(self._number, self.timeout) from None
        except anyio.ClosedResourceError:
            raise client_closed() from None
        except _BROKEN:
            raise self._conversation.lost(self._number) from None

    def _opened(self) -> SocketStream:
        if self._stream is None:
            raise anyio.ClosedResourceError
        return self._stream
