"""An engine elsewhere that speaks the OpenAI API: vLLM, Ray Serve, LiteLLM, llama.cpp, another Mac's innkeep or Ollama.

It owns its memory and its queue, so there is nothing to load, unload or list here. The address is what its clients call
*base URL*: with a path (``https://host/llm/v1``) it is used as given, without one ``/v1`` is added. The token is
sent to the engine only: it is in no ``repr`` and taken out of every error text.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from innkeepd.backends import openai_bridge as native
from innkeepd.backends.answer import AnswerStream
from innkeepd.backends.backend import Answer, Ask, BackendFault, Completion, Piece, Running
from innkeepd.backends.decoding import Undecodable, decode
from innkeepd.backends.http import HttpClient
from innkeepd.backends.ollama_dialect import NEWEST
from innkeepd.backends.openai_bridge import CHATS, EMBEDDINGS
from innkeepd.backends.openai_request import chat_body
from innkeepd.backends.openai_wire import AnswerEvents, Embedded, Listed, fault_of
from innkeepd.policy.model import Model

_JSON = {"content-type": "application/json"}
_ENCODE = msgspec.json.Encoder().encode

T = TypeVar("T")


class OpenAIBackend:
    """Speaks the OpenAI API. Raises ``BackendFault`` only."""

    dialect = NEWEST
    """Unused: bodies of Ollama's own API are translated."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._base = "" if urlsplit(http.url).path.strip("/") else "/v1"

    def __repr__(self) -> str:
        return f"<OpenAIBackend {self.url}>"

    @property
    def url(self) -> str:
        """Its address."""
        return self._http.url

    @property
    def losses(self) -> int:
        """How many kept connections the server has closed: one that ends or is replaced closes all of them."""
        return self._http.losses

    async def version(self) -> str:
        """Empty: the API has no version."""
        return ""

    async def pulled(self) -> list[Model]:
        """The models it lists, without sizes and shapes. Answers fast, so it serves as a health check."""
        listed = await self._ask("GET", "/models", None, Listed)
        return [Model(name=each.id, weights=each.id, size=0) for each in listed.data]

    async def running(self) -> list[Running]:
        """Nothing of this machine's memory."""
        return []

    async def load(self, name: str, *, context: int, keep_alive: float) -> None:
        """No-op: the remote engine manages its own memory."""

    def cloud(self) -> "OpenAIBackend":
        """Itself: all its models run elsewhere."""
        return self

    async def unload(self, name: str) -> None:
        """No-op: the remote engine manages its own memory."""

    @asynccontextmanager
    async def chat(self, ask: Ask) -> AsyncGenerator[AsyncIterator[Piece | Completion]]:
        """Stream an answer. ``context`` and ``keep_alive`` are the engine's own affair."""
        async with self._sent("POST", "/chat/completions", _ENCODE(chat_body(ask))) as answer:
            streamed = not answer.headers.get("content-type", "").startswith("application/json")
            silent = (ask.extra or {}).get("think") is False
            yield AnswerStream(answer.chunks(), AnswerEvents(streamed=streamed, silent=silent, secret=self._http.token))

    async def embed(self, name: str, texts: list[str], **_ours: object) -> list[list[float]]:
        """One vector for each text."""
        body = {"model": name, "input": texts, "encoding_format": "float"}
        vectors = (await self._ask("POST", "/embeddings", body, Embedded)).vectors()
        if len(vectors) != len(texts):
            raise BackendFault("backend_error", f"{self.url} gave {len(vectors)} vectors for {len(texts)} texts")
        return vectors

    @asynccontextmanager
    async def forward(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Answer]:
        """Pass a ``/v1`` request through with our token; Ollama's own endpoints are translated, and the answer back.

        An error answer is a fault: of the engine's text the client gets only what concerns the request.
        """
        if path in CHATS:
            body_read = native.read(body)
            async with self.chat(native.ask_of(path, body_read)) as pieces:
                records = native.Records(path, str(body_read.get("model", "")))
                if body_read.get("stream", True):
                    yield native.NativeAnswer(items=pieces, records=records)
                else:
                    yield native.NativeAnswer(await records.whole(pieces))
        elif path in EMBEDDINGS:
            asked = native.read(body)
            model = str(asked.get("model", ""))
            vectors = await self.embed(model, native.texts_of(asked), context=None, keep_alive=0.0)
            yield native.NativeAnswer(native.vectors_body(path, model, vectors))
        elif path.startswith("/v1/"):
            async with self._sent(method, path.removeprefix("/v1"), body, headers or {}) as answer:
                yield answer
        else:
            raise BackendFault("unsupported", f"{self.url} speaks the OpenAI API only: there is no {path}")

    async def open(self) -> None:
        """Prepare what the first request would wait for."""
        await self._http.open()

    async def aclose(self) -> None:
        """Close kept connections."""
        await self._http.aclose()

    @asynccontextmanager
    async def _sent(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] = _JSON
    ) -> AsyncGenerator[Answer]:
        async with self._http.request(method, self._base + path, body, headers) as answer:
            if answer.status >= 400:
                raise fault_of(answer.status, await answer.read(), self.url, path=path, secret=self._http.token)
            yield answer

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, kind: type[T]) -> T:
        """One request whose answer is one JSON object."""
        async with self._sent(method, path, None if body is None else _ENCODE(body)) as answer:
            data = await answer.read()
        try:
            return decode(data, msgspec.json.Decoder(kind))
        except Undecodable as error:
            text = f"{self.url}{self._base}{path} did not answer as the OpenAI API does: {error}"
            raise BackendFault("backend_error", text) from None
