"""What both clients share beside the conversation: requests from plain arguments, an answer so far, errors in words."""

from __future__ import annotations  # evaluating them would cost a command 3 ms at its start

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from innkeep import wire
from innkeep.errors import BadRequest, ConnectionFailed, InnkeepError, RequestCancelled, from_code

__all__ = [
    "AnswerSoFar",
    "Prompt",
    "chat_request",
    "client_closed",
    "error_of",
    "greeting",
    "route_request",
    "unanswered",
    "unreachable",
]

Prompt: TypeAlias = str | Sequence[wire.Message | Mapping[str, Any]]
"""A question, or the turns of a conversation: Structs, or maps of the same shape."""


def greeting(client: str) -> wire.Hello:
    """The ``hello`` of a client of this package."""
    return wire.Hello(id=0, protocol=wire.PROTOCOL, client=client)


def chat_request(
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
) -> wire.Chat:
    """A ``chat``; raises ``BadRequest`` for messages of another shape."""
    return wire.Chat(
        id=0,
        messages=_messages(prompt),
        model=model,
        fallbacks=None if fallbacks is None else list(fallbacks),
        role=role,
        stream=stream,
        options=None if options is None else dict(options),
        tools=None if tools is None else [dict(tool) for tool in tools],
        format=dict(format) if isinstance(format, Mapping) else format,
        think=think,
        priority=priority,
        patience=patience,
        deadline=deadline,
        session=session,
        last=last,
    )


def route_request(prompt: Prompt, session: str | None = None) -> wire.RouteAsk:
    """A ``route``; raises ``BadRequest`` for messages of another shape."""
    if isinstance(prompt, str):
        return wire.RouteAsk(id=0, text=prompt, session=session)
    return wire.RouteAsk(id=0, messages=_messages(prompt), session=session)


def _messages(prompt: Prompt) -> list[wire.Message]:
    if isinstance(prompt, str):
        return [wire.Message("user", prompt)]
    try:
        return [one if isinstance(one, wire.Message) else msgspec.convert(one, wire.Message) for one in prompt]
    except msgspec.ValidationError as fault:
        raise BadRequest(f"a message is {{role, content, ...}}: {fault}", {"field": "messages"}) from None


class AnswerSoFar:
    """What has come of an answer: ``routed`` and ``done`` once they came, ``text`` as far as it has been told."""

    def __init__(self) -> None:
        self.routed: wire.Routed | None = None
        self.done: wire.Done | None = None
        self._pieces: list[str] = []

    def __repr__(self) -> str:
        state = "done" if self.done else "begun" if self.routed else "not begun"
        return f"<{type(self).__name__} {state}, {len(self.text)} characters>"

    @property
    def text(self) -> str:
        """The text so far; ``read`` gives the whole."""
        return "".join(self._pieces)

    def _note(self, reply: wire.Reply) -> str:
        """Keep what ``reply`` says; the text that it adds. ``done`` has the text where nothing was streamed."""
        piece: str | None = None
        if isinstance(reply, wire.Delta):
            piece = reply.text
        elif isinstance(reply, wire.Routed):
            self.routed = reply
        elif isinstance(reply, wire.Done):
            self.done = reply
            piece = None if self._pieces else reply.text
        if piece:
            self._pieces.append(piece)
        return piece or ""


def error_of(reply: wire.Error) -> InnkeepError:
    """The exception for an ``error`` reply."""
    error = from_code(reply.code, reply.message, reply.detail)
    error.request_id = reply.id
    return error


def client_closed() -> RequestCancelled:
    """The error for a request whose client was closed by another thread or task; it is not sent again."""
    return RequestCancelled("the client was closed in the middle of a request")


def unanswered(path: str, seconds: float) -> ConnectionFailed:
    """A connection to ``path`` on which nobody answers the greeting: who listens, and what to do, in one line."""
    return ConnectionFailed(
        f"{path} takes connections (launchd or systemd may hold it), but no innkeepd answered within {seconds:g} s: "
        "it is starting, stuck, or cannot start; `innkeep service status` tells which"
    )


def unreachable(path: str, fault: OSError) -> ConnectionFailed:
    """No connection to ``path``: what to do about it, in one line."""
    if isinstance(fault, PermissionError):
        return ConnectionFailed(f"{path} is another user's socket; set INNKEEP_SOCKET or INNKEEP_HOME to yours")
    if isinstance(fault, TimeoutError | BlockingIOError):
        return ConnectionFailed(f"innkeepd at {path} takes no connections; `innkeep service restart` starts it again")
    return ConnectionFailed(
        f"innkeepd is not running at {path}: start it with `innkeep service start` or `innkeepd run`"
    )
