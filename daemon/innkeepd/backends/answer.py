"""What all engines' answers have in common: the stream of an answer read piece by piece, and a broken line told."""

from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Protocol, TypeAlias

from innkeepd.backends.backend import BackendFault, Completion, Piece
from innkeepd.backends.http import Answer, TooLarge, Unreachable

Item: TypeAlias = Piece | Completion | BackendFault
"""A fault stands in its place among the pieces, so that text which came before it in the same chunk is not lost."""


class Dialect(Protocol):
    """An engine's stream as bytes in, pieces out (no IO)."""

    @property
    def over(self) -> bool:
        """Whether the last item has been handed out."""
        ...

    def feed(self, chunk: bytes) -> list[Item]:
        """What the bytes so far complete."""
        ...

    def end(self) -> list[Item]:
        """What is left when the body has ended; never nothing where ``over`` is not true yet."""
        ...


class AnswerStream:
    """The pieces of one answer. An iterator object, not a generator: left halfway, nothing has to be closed later."""

    def __init__(self, chunks: AsyncIterator[bytes], dialect: Dialect) -> None:
        self._chunks = chunks
        self._dialect = dialect
        self._ready: deque[Item] = deque()

    def __aiter__(self) -> "AnswerStream":
        return self

    async def __anext__(self) -> Piece | Completion:
        while not self._ready:
            if self._dialect.over:
                raise StopAsyncIteration
            chunk = await anext(self._chunks, None)
            self._ready.extend(self._dialect.end() if chunk is None else self._dialect.feed(chunk))
        first = self._ready.popleft()
        if isinstance(first, BackendFault):
            raise first
        return first


class ForwardedAnswer:
    """An answer whose broken connection is a ``BackendFault``."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status: int = answer.status
        self.headers: Mapping[str, str] = answer.headers

    async def read(self) -> bytes:
        """The whole body."""
        try:
            return await self._answer.read()
        except Unreachable as broken:
            raise unreachable(broken) from None
        except TooLarge as large:
            # The request's own fault: asked again it would be computed again, and another engine says as much.
            text = f"{large}, more than is read as a whole: send fewer texts at once"
            raise BackendFault("bad_request", text) from None

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        return _Chunks(self._answer.chunks())


class _Chunks:
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._next = chunks.__anext__

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._next()
        except Unreachable as broken:
            raise unreachable(broken) from None


def unreachable(broken: Unreachable) -> BackendFault:
    """The fault of a connection that could not be made or broke."""
    return BackendFault("backend_unreachable", str(broken))
