"""This machine's Ollama as a ``Backend``.

What every call keeps to, because each was seen to go wrong (``tests/data/ollama`` has the answers):

- ``/api/delete`` removes weights from the disk and is never called; unloading is a promptless ``generate`` with
  ``keep_alive`` 0.
- The attributes of the runner and ``keep_alive`` are ours alone: one that differs from the loaded runner's makes Ollama
  reload the model silently, even with two heavy ones in memory. ``ollama_dialect`` says which they are.
- A prompt over the context is refused (``truncate`` false), never cut.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import anyio
import msgspec

from innkeepd.backends.answer import AnswerStream
from innkeepd.backends.backend import Answer, Ask, BackendFault, Completion, Piece, Running
from innkeepd.backends.decoding import Undecodable, count, decode
from innkeepd.backends.http import HttpClient, Unreachable
from innkeepd.backends.ollama_count import Counted, count_prompt
from innkeepd.backends.ollama_dialect import NEWEST, OllamaDialect, dialect_by_tags, dialect_of
from innkeepd.backends.ollama_wire import (
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
from innkeepd.machine.offload import SMALL, off_loop
from innkeepd.policy.answer_limit import asked_for, certain_limit, counted_limit
from innkeepd.policy.error_texts import classify
from innkeepd.policy.model import DERIVED_PREFIX, Model, canonical

SHOWN_AT_ONCE = 4
SHOWN_WITHIN = 2.0
"""Seconds for the shapes of all models not known yet: those that come later are told by ``tags`` alone until then."""
SHOWN_AGAIN = 60.0
"""Seconds until a model whose ``show`` was not answered in time is asked for again."""
ANSWERED_WITHIN = 10.0
"""Seconds for what Ollama answers without working for it."""
LISTED_WITHIN = 25.0
"""Seconds for ``/api/ps``: behind a runner that hangs it takes 20."""
LOADED_WITHIN = 3600.0
"""Seconds for what it works for; whoever waits has a shorter limit of his own."""
_OURS = frozenset({"model", "messages", "stream", "truncate", "shift", "keep_alive", "options"})
"""Fields of a chat's body that ``Ask.extra`` cannot set."""
_JSON = {"content-type": "application/json"}
_ENCODE = msgspec.json.Encoder().encode

T = TypeVar("T")


class OllamaBackend:
    """Speaks Ollama's own API. Raises ``BackendFault`` only.

    ``elsewhere``: an Ollama or innkeep of another machine, which manages its own memory: nothing is sent of how long
    it keeps a model or at which context. ``dialect`` follows each ``version`` that is read; until one has been, it is
    the newest.
    """

    dialect: OllamaDialect = NEWEST

    def __init__(self, http: HttpClient, *, elsewhere: bool = False) -> None:
        self._http = http
        self._elsewhere = elsewhere
        self._shown: dict[str, Shown] = {}
        self._silent: dict[str, float] = {}
        self._has_number = False

    def __repr__(self) -> str:
        return f"<OllamaBackend {self.url}>"

    @property
    def url(self) -> str:
        """Its address."""
        return self._http.url

    @property
    def losses(self) -> int:
        """How many kept connections the server has closed: one that ends or is replaced closes all of them."""
        return self._http.losses

    async def version(self) -> str:
        """Its version, any text; ``0.0.0`` for a build from source. Sets ``dialect`` where the version names one."""
        version = (await self._ask("GET", "/api/version", None, Version)).version
        dialect = dialect_of(version)
        self._has_number = dialect is not None
        self.dialect = dialect or self.dialect
        return version

    async def pulled(self) -> list[Model]:
        """Every model on its disk. ``show`` is asked once a digest; where it fails, ``/api/tags`` is used."""
        listed = (await self._ask("GET", "/api/tags", None, Tags)).models or ()
        if listed and not self._has_number:
            self.dialect = dialect_by_tags(has_capabilities=any(tag.capabilities is not None for tag in listed))
        tags = [tag for tag in listed if not tag.name.startswith(DERIVED_PREFIX)]
        await self._learn(tags)
        return [model_of(tag, self._shown.get(tag.digest or tag.name)) for tag in tags]

    async def running(self) -> list[Running]:
        """The models that Ollama reports as loaded, derived names included."""
        result = await self._ask("GET", "/api/ps", None, Processes, within=LISTED_WITHIN)
        return [
            Running(
                canonical(each.name),
                count(each.size),
                count(each.context_length) or None,
                epoch(each.expires_at),
                each.digest,
                None if each.size_vram is None else count(each.size_vram),
            )
            for each in result.models or ()
        ]

    async def load(self, name: str, *, context: int, keep_alive: float) -> None:
        """Bring a model into memory, or renew its ``keep_alive`` where it is there at this context.

        An embedding model refuses ``generate`` and is loaded by embedding nothing.
        """
        body = self.dialect.launch({"model": name, "stream": False}, context=context, keep_alive=keep_alive)
        try:
            await self._ask("POST", "/api/generate", body, Generated, within=LOADED_WITHIN)
        except BackendFault as fault:
            if fault.code != "unsupported":
                raise
            await self._ask("POST", "/api/embed", {**body, "input": []}, Generated, within=LOADED_WITHIN)

    async def unload(self, name: str) -> None:
        """Ask Ollama to unload a model; it answers at once, even while the model still writes an answer."""
        await self._ask("POST", "/api/generate", {"model": name, "stream": False, "keep_alive": 0}, Generated)

    def cloud(self) -> "OllamaBackend":
        """The same Ollama for its cloud models: they run elsewhere, so no context and no ``keep_alive`` is sent."""
        return OllamaBackend(self._http, elsewhere=True)

    @asynccontextmanager
    async def chat(self, ask: Ask) -> AsyncGenerator[AsyncIterator[Piece | Completion]]:
        """Stream an answer. Ollama sends the head with the first piece, so entering already waits for the prompt."""
        limited, counted = await self._limited(ask)
        body = self._owned("/api/chat", limited, ask.context, ask.keep_alive)
        data = await off_loop(_length(ask) > SMALL, partial(_ENCODE, body))
        async with self.forward("POST", "/api/chat", data, _JSON) as answer:
            await _refuse_errors(answer)
            lines = AnswerLines(prefill=counted.prefill_seconds, load=counted.load_seconds)
            yield AnswerStream(answer.chunks(), lines)

    async def embed(self, name: str, texts: list[str], *, context: int | None, keep_alive: float) -> list[list[float]]:
        """One vector for each text; a text over the context is refused, not cut."""
        body = self._owned("/api/embed", {"model": name, "input": texts}, context, keep_alive)
        return (await self._ask("POST", "/api/embed", body, Embedded, within=LOADED_WITHIN)).embeddings

    @asynccontextmanager
    async def forward(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Answer]:
        """Pass a request through as it is; error statuses are the caller's to read."""
        try:
            async with self._http.request(method, path, body, headers) as answer:
                yield answer
        except Unreachable as fault:
            raise fault if self._elsewhere else not_running(fault.message) from None

    async def open(self) -> None:
        """Prepare what the first request would wait for."""
        await self._http.open()

    async def aclose(self) -> None:
        """Close kept connections."""
        await self._http.aclose()

    async def _limited(self, ask: Ask) -> tuple[dict[str, Any], Counted]:
        """The body of ``/api/chat`` with a limit of its answer where the context would shift, and its count."""
        body, counted = _chat_body(ask), Counted()
        if self._elsewhere or self.dialect.shifts_by_request or ask.context is None:
            return body, counted
        asked = asked_for((ask.options or {}).get("num_predict"), ask.own_limit)
        size = len(await off_loop(_length(ask) > SMALL, partial(_ENCODE, body)))
        limit = certain_limit(ask.context, size, asked)
        if limit is None:
            counted = await count_prompt(self, "/api/chat", body, context=ask.context, keep_alive=ask.keep_alive)
            limit = counted_limit(ask.context, counted.tokens, asked)
        return body | {"options": {**(ask.options or {}), "num_predict": limit}}, counted

    def _owned(self, path: str, body: Mapping[str, Any], context: int | None, keep_alive: float) -> dict[str, Any]:
        owned = self.dialect.own(path, body, context=context, keep_alive=keep_alive)
        if self._elsewhere:
            del owned["keep_alive"]
        return owned

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, kind: type[T], *, within: float = ANSWERED_WITHIN
    ) -> T:
        """One request whose answer is one JSON object, at most ``within`` seconds from now."""
        try:
            with anyio.fail_after(within):
                async with self.forward(method, path, None if body is None else _ENCODE(body), _JSON) as answer:
                    await _refuse_errors(answer)
                    data = await answer.read()
        except TimeoutError:
            text = f"{self.url} did not answer {path} within {within:g} s"
            raise BackendFault("backend_unreachable", text) from None
        try:
            result = decode(data, msgspec.json.Decoder(kind))
        except Undecodable as error:
            raise BackendFault("backend_error", f"{path} did not answer as Ollama does: {error}") from None
        if isinstance(result, Generated) and result.error is not None:
            text = error_words(result.error)
            raise BackendFault(classify(None, text), text)
        return result

    async def _learn(self, tags: Iterable[Tag]) -> None:
        """Ask for the shapes not known yet and forget those of removed models."""
        names = {tag.digest or tag.name: tag.name for tag in tags}
        self._shown = {digest: shown for digest, shown in self._shown.items() if digest in names}
        limit = anyio.CapacityLimiter(SHOWN_AT_ONCE)
        now = anyio.current_time()
        self._silent = {digest: again for digest, again in self._silent.items() if digest in names and again > now}

        under_way: set[str] = set()

        async def show(digest: str, name: str) -> None:
            async with limit:
                under_way.add(digest)
                with suppress(BackendFault):  # asked again the next time; what tags tells is enough until then
                    self._shown[digest] = await self._ask("POST", "/api/show", {"model": name}, Shown)
                under_way.discard(digest)

        with anyio.move_on_after(SHOWN_WITHIN):
            async with anyio.create_task_group() as group:
                for digest, name in names.items():
                    if digest not in self._shown and digest not in self._silent:
                        group.start_soon(show, digest, name)
        self._silent |= dict.fromkeys(under_way, anyio.current_time() + SHOWN_AGAIN)


def not_running(what: str) -> BackendFault:
    """This machine's Ollama could not be reached: where, why, and what to do about it."""
    text = f"Ollama does not answer: {what}. Start it with `ollama serve` or the Ollama app"
    return BackendFault("backend_unreachable", text)


async def _refuse_errors(answer: Answer) -> None:
    if answer.status >= 400:
        text = error_text(await answer.read())
        raise BackendFault(classify(answer.status, text), text, status=answer.status)


def _length(ask: Ask) -> int:
    """About how many bytes the texts and images of a chat have."""
    return sum(
        len(part) for message in ask.messages for part in (message.get("content") or "", *(message.get("images") or ()))
    )


def _chat_body(ask: Ask) -> dict[str, Any]:
    """The body of ``/api/chat`` before ``OllamaDialect.own``; what the daemon owns cannot be overlaid."""
    extra = {key: value for key, value in (ask.extra or {}).items() if key not in _OURS}
    return {**extra, "model": ask.model, "messages": ask.messages, "stream": True, "options": ask.options}
