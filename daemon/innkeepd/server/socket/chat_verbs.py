"""The verbs that run a model, as the socket speaks them: ``chat`` and ``embed``."""

from functools import partial
from typing import Any, cast

from msgspec import structs, to_builtins

from innkeep import wire
from innkeepd.backends.backend import Ask, BackendFault, Completion, Piece
from innkeepd.chat.demand import Demand, Said, bounded, understand
from innkeepd.chat.dispatch import Dispatcher
from innkeepd.chat.request import Request
from innkeepd.chat.sink import deliver
from innkeepd.chat.types import Assignment, ChatSpec, OnProgress, Progress
from innkeepd.machine.offload import SMALL, off_loop
from innkeepd.policy.fallback import estimate_tokens
from innkeepd.server.socket.session import Session

VIRTUAL = ("auto", *wire.ROLES)
"""Names that stand for the routing, or for a role's models."""


def spec_of(chat: wire.Chat, client: str) -> ChatSpec:
    """A chat as the journey takes it. ``auto`` and a role's name are no models here either, as on the HTTP port."""
    virtual = (chat.model or "").removesuffix(":latest")
    if virtual in VIRTUAL and not chat.fallbacks:
        role = chat.role if virtual == "auto" else cast("wire.Role", virtual)
        return spec_of(structs.replace(chat, model=None, role=role), client)
    return ChatSpec(
        demand=understand(
            map(said, chat.messages),
            tools=chat.tools,
            images=any(message.images for message in chat.messages),
            think=chat.think,
            limit=limit if isinstance(limit := (chat.options or {}).get("num_predict"), int) else None,
            named=chat.session is not None,
        ),
        model=None if chat.model is None else bounded(chat.model),
        fallbacks=tuple(map(bounded, chat.fallbacks or ())),
        role=chat.role,
        priority=chat.priority,
        patience=chat.patience,
        deadline=chat.deadline,
        session=None if chat.session is None else bounded(chat.session),
        last=chat.last,
        client=client,
        strict=chat.model is not None,
    )


def said(message: wire.Message) -> Said:
    """A message as routing and counting read it."""
    functions = [call.get("function") for call in message.tool_calls or ()]
    names = [function.get("name") for function in functions if isinstance(function, dict)]
    return Said(message.role, message.content, tuple(name for name in names if isinstance(name, str)))


class ChatVerbs:
    """Answers chats and embeddings on a session."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def chat(self, session: Session, chat: wire.Chat) -> None:
        """One chat's journey, told as ``routed``, ``waiting``, ``loading``, ``started``, ``delta`` and ``done``."""
        is_long = sum(len(message.content) for message in chat.messages) > SMALL
        spec = await off_loop(is_long, partial(spec_of, chat, session.client))
        async with self._dispatcher.begin(spec) as request:
            way = request.target
            session.send(
                wire.Routed(
                    id=chat.id,
                    request=request.id,
                    role=way.role,
                    confidence=way.confidence,
                    model=self._dispatcher.selector.would_take(way),
                    candidates=[candidate.name for candidate in way.candidates],
                    reason=way.reason,
                ),
                soon=False,
            )
            answer = _Answer(session, chat, request)
            result = await self._dispatcher.serve(request, answer.work, teller(session, chat.id))
            done = answer.done(result)
        # The record is made as the request ends and committed before `done` says so; the text is with the client.
        warning = await self._dispatcher.recorded()
        session.send(done if warning is None else structs.replace(done, warning=warning))

    async def embed(self, session: Session, embed: wire.Embed) -> None:
        """Vectors, by the same journey."""
        texts = [embed.input] if isinstance(embed.input, str) else embed.input
        tokens = sum(estimate_tokens(text) for text in texts)
        demand = Demand(tokens=tokens)
        spec = ChatSpec(kind="embed", demand=demand, model=bounded(embed.model), client=session.client)
        async with self._dispatcher.begin(spec) as request:
            found: list[list[float]] = []

            async def work(lease: Assignment) -> Completion:
                found[:] = await lease.backend.embed(
                    lease.model, texts, context=lease.context, keep_alive=lease.keep_alive
                )
                lease.response_deadline.went_on()
                return Completion(prompt_tokens=tokens)

            await self._dispatcher.serve(request, work, say_nothing)
            session.send(wire.Embeddings(id=embed.id, model=request.model or embed.model, embeddings=found))


async def say_nothing(_progress: Progress) -> None:
    """For requests whose protocol knows no progress."""


def teller(session: Session, identity: int, *, waiting: bool = True) -> OnProgress:
    """Tells a waiting request's news on the socket; without ``waiting`` only of loads, as ``load`` wants it."""

    async def tell(progress: Progress) -> None:
        if progress.kind == "loading":
            session.send(
                wire.Loading(
                    id=identity,
                    model=progress.model,
                    unloading=list(progress.unloading),
                    elapsed=round(progress.elapsed, 3),
                    expected=progress.expected,
                )
            )
        elif waiting:
            session.send(
                wire.Waiting(
                    id=identity,
                    model=progress.model,
                    position=progress.position,
                    ahead=progress.ahead,
                    resident=list(progress.resident),
                    expected=progress.expected,
                    reason=progress.reason,
                    until=progress.until,
                    answering=list(progress.answering),
                    why=progress.why,
                    refused_at=progress.refused_at,
                )
            )

    return tell


class _Answer:
    """One chat's answer: pieces out as deltas, or kept where the client wants it whole."""

    def __init__(self, session: Session, chat: wire.Chat, request: Request) -> None:
        self._session = session
        self._chat = chat
        self._request = request
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._is_first = True

    async def work(self, lease: Assignment) -> Completion:
        """Stream from the engine; raises ``BackendFault`` for whatever goes wrong there."""
        chat, session = self._chat, self._session
        after = wire.Failed(*lease.after) if lease.after else None
        session.send(
            wire.Started(id=chat.id, model=lease.candidate.name, attempt=lease.attempt, after=after), soon=False
        )
        extra = {"tools": chat.tools, "format": chat.format, "think": chat.think if lease.thinks else None}
        ask = Ask(
            lease.model,
            [to_builtins(message) for message in chat.messages],
            lease.context,
            lease.keep_alive,
            chat.options,
            {key: value for key, value in extra.items() if value is not None},
            lease.own_limit,
        )
        async with lease.backend.chat(ask) as pieces:
            async for piece in pieces:
                if isinstance(piece, Completion):
                    return piece
                await deliver(piece, self, lease.response_deadline)
        raise BackendFault("backend_error", "the answer ended without its end")

    @property
    def is_full(self) -> bool:
        """Whether the client has much left to read."""
        return self._session.is_full

    async def write(self, part: Piece) -> None:
        """Send a piece, or keep it where the client wants the answer whole; the first one at once."""
        if not self._chat.stream:
            self._keep(part)
            return
        if self._session.is_full:
            await self._session.room()
        self._session.send(
            wire.Delta(id=self._chat.id, text=part.text, thinking=part.thinking, tool_calls=part.tool_calls)
        )
        if self._is_first:
            self._is_first = False
            self._session.flush()

    def _keep(self, piece: Piece) -> None:
        if piece.text is not None:
            self._text.append(piece.text)
        if piece.thinking is not None:
            self._thinking.append(piece.thinking)
        self._calls += piece.tool_calls or []

    def done(self, result: Completion) -> wire.Done:
        """The last message."""
        request, chat = self._request, self._chat
        whole = not chat.stream
        return wire.Done(
            id=chat.id,
            model=request.model or "",
            role=request.target.role,
            finish_reason=result.finish_reason,
            usage=wire.Usage(result.prompt_tokens, result.completion_tokens),
            timings=wire.Timings(
                queued=request.queued,
                swap=request.swap,
                first_token=request.first_token,
                total=request.total,
                tokens_per_second=request.tokens_per_second,
                prompt_per_second=request.prompt_per_second,
            ),
            attempts=[
                wire.AttemptRecord(each.model, each.outcome, each.code, each.seconds, each.message)
                for each in request.attempts.tried
            ],
            text="".join(self._text) if whole else None,
            thinking="".join(self._thinking) or None if whole else None,
            tool_calls=self._calls or None if whole else None,
        )
