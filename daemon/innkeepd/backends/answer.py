"""The stream of an engine's answer, read piece by piece."""

from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol, TypeAlias

from innkeepd.backends.backend import BackendFault, Completion, Piece

Item: TypeAlias = Piece | Completion | BackendFault
"""A fault keeps its place among the pieces, so that text before it in the same chunk is not lost."""


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
