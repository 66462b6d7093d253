"""The interface between the daemon and an engine that runs models.

Implemented by ``ollama.py`` (this machine's Ollama, whose memory the daemon owns) and ``openai.py`` (those elsewhere).
Every method raises ``BackendFault`` and nothing else for whatever goes wrong out there.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from msgspec import Struct

from innkeepd.backends.ollama_dialect import OllamaDialect
from innkeepd.policy.model import Model


class BackendFault(Exception):
    """The engine failed; ``code`` is the wire code (``policy.error_texts.classify``), ``str()`` the engine's text."""

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class Running(Struct, frozen=True):
    """One line of ``/api/ps``: bytes, tokens, seconds since the epoch. Evidence, not truth: it can lie.

    ``size`` 0 is unknown (0.33 with a llama-server that has the RPC backend). ``on_gpu`` is ``size_vram``, bytes, None
    where the engine does not report it: below ``size`` a part of the layers runs on the CPU, all of them where it is 0.
    """

    name: str
    size: int
    context: int | None = None
    expires: float | None = None
    digest: str = ""
    on_gpu: int | None = None


class Ask(Struct, frozen=True):
    """A chat as the engine gets it; ``extra`` is laid over the body as it is (``tools``, ``format``, ``think``).

    ``own_limit``: tokens that the model's own parameters give an answer where ``options`` say nothing.
    """

    model: str
    messages: list[dict[str, Any]]
    context: int | None
    keep_alive: float
    options: dict[str, Any] | None = None
    extra: dict[str, Any] | None = None
    own_limit: int | None = None


class Piece(Struct, frozen=True):
    """A part of an answer: exactly one of the three is set."""

    text: str | None = None
    thinking: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Completion(Struct, frozen=True):
    """The end of an answer: tokens, and the engine's own durations in seconds (0 where it reports none).

    ``load_seconds`` are some milliseconds for a model that was in memory.
    """

    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    load_seconds: float = 0.0


class Answer(Protocol):
    """A response whose head was read. Leaving its context closes the connection, which stops the engine."""

    @property
    def status(self) -> int:
        """HTTP status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...

    async def read(self) -> bytes:
        """The whole body, at most 16 MiB. Raises ``BackendFault``."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in chunks, cut anywhere. Raises ``BackendFault`` when the connection breaks."""
        ...


class Backend(Protocol):
    """An engine that runs models."""

    @property
    def url(self) -> str:
        """Its address."""
        ...

    @property
    def dialect(self) -> OllamaDialect:
        """How bodies of Ollama's own API are built for it."""
        ...

    @property
    def losses(self) -> int:
        """How many kept connections the server has closed: one that ends or is replaced closes all of them."""
        ...

    async def version(self) -> str:
        """Its version, any text."""
        ...

    async def pulled(self) -> list[Model]:
        """Every model on its disk, with shapes and weights (``/api/tags``, and ``/api/show`` kept by digest)."""
        ...

    async def running(self) -> list[Running]:
        """The models that the engine reports as loaded."""
        ...

    async def load(self, name: str, *, context: int, keep_alive: float) -> None:
        """Load a model; return once the engine reports it loaded; ``keep_alive`` in seconds."""
        ...

    async def unload(self, name: str) -> None:
        """Ask the engine to unload a model. The return proves nothing. Never deletes anything."""
        ...

    def cloud(self) -> "Backend":
        """The same engine for models that it runs elsewhere."""
        ...

    def chat(self, ask: Ask) -> AbstractAsyncContextManager[AsyncIterator[Piece | Completion]]:
        """Stream an answer; the context is entered once the engine has taken it; the last item is a ``Completion``."""
        ...

    async def embed(self, name: str, texts: list[str], *, context: int | None, keep_alive: float) -> list[list[float]]:
        """One vector for each text."""
        ...

    def forward(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[Answer]:
        """Pass a request through as it is, for the HTTP port."""
        ...

    async def open(self) -> None:
        """Prepare what the first request would wait for."""
        ...

    async def aclose(self) -> None:
        """Close kept connections."""
        ...
