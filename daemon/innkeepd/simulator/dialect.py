"""What an API's dialect must say of an answer; spoken by ``native``, ``openai``, ``messages``, ``responses``."""

from typing import Any, Protocol

from msgspec import Struct


class Said(Struct, frozen=True):
    """One piece of an answer."""

    text: str = ""
    thinking: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Tally(Struct, frozen=True):
    """The end of an answer: tokens, seconds, and why it ended (``stop``, ``length``)."""

    reason: str
    prompt_tokens: int
    tokens: int
    total: float
    load: float
    prefill: float
    decode: float


class Dialect(Protocol):
    """Bytes of one API."""

    stream_type: str
    plain_type: str

    def piece(self, said: Said) -> bytes:
        """A piece of a stream."""
        ...

    def finish(self, tally: Tally) -> bytes:
        """The end of a stream."""
        ...

    def whole(self, said: Said, tally: Tally) -> bytes:
        """An answer that is not streamed."""
        ...

    def broken(self, text: str) -> bytes:
        """A failure in the middle of a stream; nothing where the stream just ends."""
        ...

    def lost(self, said: Said | None) -> bytes:
        """An answer in one piece whose end was lost: sent with status 200; None: no text at all."""
        ...
