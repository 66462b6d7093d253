"""This machine's Ollama as a ``Backend``.

What every call keeps to, because each was seen to go wrong (``tests/data/ollama`` has the answers):

- ``/api/delete`` removes weights from the disk and is never called; unloading is a promptless ``generate`` with
  ``keep_alive`` 0.
- ``num_ctx``, ``keep_alive`` and the other options of the runner are ours alone: one that differs from the loaded
  runner's makes Ollama reload the model without a word, two heavy ones in memory included.
- A prompt over the context is refused (``truncate`` and ``shift`` false), never cut.
"""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import msgspec

from innkeepd.outbound.backend import Ask, BackendFault, Finish, Piece, Running
from innkeepd.outbound.http import Answer, Transport, Unreachable
from innkeepd.outbound.ollama_wire import (
    AnswerLines,
    Embedded,
    Generated,
    Processes,
    Shown,
    Tag,
    Tags,
    Version,
    epoch,
    error_text,
    error_words,
    model_of,
)
from innkeepd.outbound.reply import Forwarded, Reply, unreachable
from innkeepd.policy.attempt import classify
from innkeepd.policy.model import DERIVED_PREFIX, Model, canonical

RUNNER_OPTIONS = frozenset({"num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread"})
"""Options of the loaded runner (``api.Runner`` in Ollama's source): a request with another value reloads the model."""

SHOWN_AT_ONCE = 4
_OURS = frozenset({"model", "messages", "stream", "truncate", "shift", "keep_alive", "options"})
_JSON = {"content-type": "application/json"}
_ENCODE = msgspec.json.Encoder().encode

T = TypeVar("T")


class OllamaBackend:
    """Speaks Ollama's own API over a transport. Raises ``BackendFault`` only.

    ``elsewhere``: an Ollama or innkeep of another machine, whose memory is its own affair: nothing is said of how long
    it keeps a model or at which context.
    """

    def __init__(self, transport: Transport, *, elsewhere: bool = False) -> None:
        self._transport = transport
        self._elsewhere = elsewhere
        self._shown: dict[str, Shown] = {}

    def __repr__(self) -> str:
        return f"<OllamaBackend {self.url}>"

    @property
    def url(self) -> str:
        """Its address."""
        return self._transport.url

    async def version(self) -> str:
        """Its version, any text; ``0.0.0`` for a build from source."""
        return (await self._ask("GET", "/api/version", None, Version)).version

    async def pulled(self) -> list[Model]:
        """Every model on its disk. ``show`` is asked once a digest; a model that it fails for is told by ``tags``."""
        tags = [
            tag
            for tag in (await self._ask("GET", "/api/tags", None, Tags)).models or ()
            if not tag.name.startswith(DERIVED_PREFIX)
        ]
        await self._learn(tags)
        return [model_of(tag, self._shown.get(tag.digest or tag.name)) for tag in tags]

    async def running(self) -> list[Running]:
        """What it says is in memory; derived names too."""
        told = await self._ask("GET", "/api/ps", None, Processes)
        return [
            Running(canonical(each.name), each.size, each.context_length, epoch(each.expires_at), each.digest)
            for each in told.models or ()
        ]

    async def load(self, name: str, *, context: int, keep_alive: float) -> None:
        """Bring a model into memory, or renew its ``keep_alive`` where it is there at this context.

        An embedding model refuses ``generate`` and is loaded by embedding nothing.
        """
        body = {"model": name, "stream": False, "keep_alive": _seconds(keep_alive), "options": {"num_ctx": context}}
        try:
            await self._ask("POST", "/api/generate", body, Generated)
        except BackendFault as fault:
            if fault.code != "unsupported":
                raise
            await self._ask("POST", "/api/embed", {**body, "input": []}, Generated)

    async def unload(self, name: str) -> None:
        """Ask for a model to leave memory; answers at once, even while the model still writes an answer."""
        await self._ask("POST", "/api/generate", {"model": name, "stream": False, "keep_alive": 0}, Generated)

    @asynccontextmanager
    async def chat(self, ask: Ask) -> AsyncGenerator[AsyncIterator[Piece | Finish]]:
        """Stream an answer. Ollama sends the head with the first piece, so entering already waits for the prompt."""
        async with self.forward("POST", "/api/chat", self._body(_chat_body(ask)), _JSON) as answer:
            await _refuse_errors(answer)
            yield Reply(answer.chunks(), AnswerLines())

    async def embed(self, name: str, texts: list[str], *, context: int | None, keep_alive: float) -> list[list[float]]:
        """One vector for each text; a text over the context is refused, not cut."""
        options = {} if context is None else {"num_ctx": context}
        body = {
            "model": name,
            "input": texts,
            "truncate": False,
            "keep_alive": _seconds(keep_alive),
            "options": options,
        }
        if self._elsewhere:
            del body["keep_alive"]
        return (await self._ask("POST", "/api/embed", body, Embedded)).embeddings

    @asynccontextmanager
    async def forward(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Answer]:
        """Pass a request through as it is; error statuses are the caller's to read."""
        try:
            async with self._transport.request(method, path, body, headers) as answer:
                yield Forwarded(answer)
        except Unreachable as broken:
            raise unreachable(broken) if self._elsewhere else not_running(str(broken)) from None

    async def aclose(self) -> None:
        """Close kept connections."""
        await self._transport.aclose()

    def _body(self, chat: dict[str, Any]) -> bytes:
        return _ENCODE({key: value for key, value in chat.items() if key != "keep_alive"} if self._elsewhere else chat)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, kind: type[T]) -> T:
        """One request whose answer is one JSON object."""
        async with self.forward(method, path, None if body is None else _ENCODE(body), _JSON) as answer:
            await _refuse_errors(answer)
            data = await answer.read()
        try:
            told = msgspec.json.decode(data, type=kind)
        except msgspec.MsgspecError as error:
            raise BackendFault("backend_error", f"{path} did not answer as Ollama does: {error}") from None
        if isinstance(told, Generated) and told.error is not None:
            text = error_words(told.error)
            raise BackendFault(classify(None, text), text)
        return told

    async def _learn(self, tags: Iterable[Tag]) -> None:
        """Ask for the shapes not known yet and forget those of models that are gone."""
        names = {tag.digest or tag.name: tag.name for tag in tags}
        self._shown = {digest: shown for digest, shown in self._shown.items() if digest in names}
        limit = anyio.CapacityLimiter(SHOWN_AT_ONCE)

        async def show(digest: str, name: str) -> None:
            async with limit:
                try:
                    self._shown[digest] = await self._ask("POST", "/api/show", {"model": name}, Shown)
                except BackendFault:
                    return  # asked again the next time; what tags tells is enough until then

        async with anyio.create_task_group() as group:
            for digest, name in names.items():
                if digest not in self._shown:
                    group.start_soon(show, digest, name)


def not_running(what: str) -> BackendFault:
    """This machine's Ollama could not be reached: where, why, and what to do about it."""
    text = f"Ollama does not answer: {what}. Start it with `ollama serve` or the Ollama app"
    return BackendFault("backend_unreachable", text)


async def _refuse_errors(answer: Answer) -> None:
    if answer.status >= 400:
        text = error_text(await answer.read())
        raise BackendFault(classify(answer.status, text), text, status=answer.status)


def _chat_body(ask: Ask) -> dict[str, Any]:
    """The body of ``/api/chat``; what the daemon owns cannot be overlaid."""
    extra = {key: value for key, value in (ask.extra or {}).items() if key not in _OURS}
    options = {key: value for key, value in (ask.options or {}).items() if key not in RUNNER_OPTIONS}
    if ask.context is not None:
        options["num_ctx"] = ask.context
    return {
        **extra,
        "model": ask.model,
        "messages": ask.messages,
        "stream": True,
        "truncate": False,
        "shift": False,
        "keep_alive": _seconds(ask.keep_alive),
        "options": options,
    }


def _seconds(keep_alive: float) -> int | float:
    """Ollama's number of seconds: for ever is a negative one; whole ones go as integers, as older versions want."""
    if math.isinf(keep_alive) or keep_alive < 0:
        return -1
    return int(keep_alive) if float(keep_alive).is_integer() else keep_alive
