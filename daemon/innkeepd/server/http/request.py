"""A request that runs a model, as far as we read it: who is wanted, what the user said, and the body for the engine.

Nothing else of the body is understood or changed; fields that we do not know go on as they came.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from innkeepd.chat.demand import Said, bounded, understand
from innkeepd.chat.types import Assignment, ChatSpec
from innkeepd.policy.answer_limit import asked_for
from innkeepd.policy.client_habits import priority_of, session_of
from innkeepd.policy.model import canonical
from innkeepd.policy.scheduling.events import PRIORITIES
from innkeepd.server.http.errors import Api, HttpFault

_YES, _NO = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder().decode


class Endpoint(Struct, frozen=True):
    """A path that runs a model. ``streams``: whether it does where the body does not say."""

    path: str
    api: Api
    kind: str = "chat"
    streams: bool = False

    @property
    def is_native(self) -> bool:
        """Whether it is Ollama's own API, which takes ``options`` and ``keep_alive``."""
        return self.api == "native"


ENDPOINTS = {
    each.path: each
    for each in (
        Endpoint("/api/chat", "native", streams=True),
        Endpoint("/api/generate", "native", streams=True),
        Endpoint("/api/embed", "native", "embed"),
        Endpoint("/api/embeddings", "native", "embed"),
        Endpoint("/v1/chat/completions", "openai"),
        Endpoint("/v1/completions", "openai"),
        Endpoint("/v1/embeddings", "openai", "embed"),
        Endpoint("/v1/responses", "responses"),
        Endpoint("/v1/messages", "messages"),
    )
}


class ModelRequest(Struct):
    """One request. ``name`` is the model as the client spells it, ``role`` what a virtual name stands for."""

    endpoint: Endpoint
    body: dict[str, Any]
    size: int
    name: str
    stream: bool
    role: str | None = None
    is_virtual: bool = False

    @property
    def api(self) -> Api:
        """Whose shapes to answer in."""
        return self.endpoint.api

    @property
    def is_promptless(self) -> bool:
        """Whether it only wants the model in memory, or out of it."""
        if self.endpoint.path == "/api/chat":
            return not self.body.get("messages")
        return self.endpoint.path == "/api/generate" and not self.body.get("prompt")

    @property
    def wants_it_out(self) -> bool:
        """Whether a promptless request is one to unload: ``keep_alive`` 0, as a number or a duration."""
        said = self.body.get("keep_alive")
        if isinstance(said, str):
            return bool(said) and not any(digit in said for digit in "123456789")
        return isinstance(said, int | float) and said == 0

    def spec(self, headers: Mapping[bytes, bytes]) -> ChatSpec:
        """What the journey needs to know. Raises ``HttpFault`` for a header that makes no sense."""
        body = self.body
        given = (*_list(body.get("messages")), *_list(body.get("input")))
        images = body.get("images") or any(map(_shows_an_image, given))
        session = session_of(_words(headers), body)
        is_found = b"x-innkeep-session" not in headers  # then only an agent, which has tools, is expected to go on
        return ChatSpec(
            kind=self.endpoint.kind,
            demand=understand(
                spoken(body),
                tools=body.get("tools"),
                images=images,
                think=_think(body),
                limit=self.asks_for(None),
                named=session is not None,
            ),
            model=None if self.is_virtual else self.name,
            role=self.role,
            priority=_priority(headers),
            patience=_patience(headers),
            session=bounded(session) if session else None,
            last=session is not None and is_found and not body.get("tools"),
            client=_client(headers),
            door=self.endpoint.path,
            strict=_is_strict(headers),
        )

    def asks_for(self, own: int | None) -> int | None:
        """Tokens that the answer may have as the client says, else as the model does; None for an open end."""
        if self.endpoint.is_native:
            options = self.body.get("options")
            return asked_for(options.get("num_predict") if isinstance(options, dict) else None, own)
        if self.endpoint.path == "/v1/responses":
            return asked_for(self.body.get("max_output_tokens"), own)
        said = self.body.get("max_tokens")
        return asked_for(self.body.get("max_completion_tokens") if said is None else said, own)

    def body_for(self, lease: Assignment, model: str | None = None, limit: int | None = None) -> bytes:
        """The body for the engine; what the daemon owns is laid over it.

        ``model``: a name for the leased one. ``limit``: tokens that the answer may have, None as the client says.
        """
        body = dict(self.body)
        body.pop("name", None)
        body["model"] = model or self.spelled(lease)
        if limit is not None:
            self._limit(body, limit)
        if lease.context is not None and self.endpoint.is_native:
            dialect = lease.backend.dialect
            body = dialect.own(self.endpoint.path, body, context=lease.context, keep_alive=lease.keep_alive)
        return _ENCODE(body)

    def _limit(self, body: dict[str, Any], limit: int) -> None:
        if self.endpoint.is_native:
            given = body.get("options")
            body["options"] = {**(given if isinstance(given, dict) else {}), "num_predict": limit}
        else:
            body["max_output_tokens" if self.endpoint.path == "/v1/responses" else "max_tokens"] = limit

    def without_thinking(self) -> "ModelRequest":
        """The same without its wish to think, in whichever API's shape; a wish not to think goes with it."""
        specs = {"think", "thinking", "reasoning", "reasoning_effort"}
        body = {name: value for name, value in self.body.items() if name not in specs}
        return msgspec.structs.replace(self, body=body)

    def spelled(self, lease: Assignment) -> str:
        """The leased model as the client spells it, so that the engine's answer does too; else as we call it."""
        same = canonical(self.name) == canonical(lease.model) and not self.name.startswith("ollama/")
        return self.name if same and not self.is_virtual else lease.model


def read(endpoint: Endpoint, data: bytes | bytearray) -> ModelRequest:
    """A request's body. Raises ``HttpFault`` 400 in Ollama's words where it is none."""
    body = decode(data)
    name = body.get("model") or (body.get("name") if endpoint.is_native else None)
    if not isinstance(name, str) or not name.strip():
        raise HttpFault(400, "model is required", "bad_request")
    stream = body.get("stream")
    streams = endpoint.streams if stream is None else stream is True
    return ModelRequest(endpoint, body, len(data), bounded(name.strip()), streams and endpoint.kind == "chat")


def decode(data: bytes | bytearray) -> dict[str, Any]:
    """A body's JSON object. Raises ``HttpFault`` 400."""
    if not data or data.isspace():
        raise HttpFault(400, "missing request body", "bad_request")
    try:
        body = _DECODE(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpFault(400, f"the body is not JSON: {error}", "bad_request") from None
    if not isinstance(body, dict):
        raise HttpFault(400, "the body is not a JSON object", "bad_request")
    return body


# ---- what was said -------------------------------------------------------------------------------------------------


def spoken(body: Mapping[str, Any]) -> Iterator[Said]:
    """Everything that the model will read but for tools, oldest first, in whichever API's shape."""
    for field in ("system", "instructions"):
        if body.get(field):
            yield Said("system", text_of(body[field]))
    if body.get("prompt"):
        yield Said("user", text_of(body["prompt"]))
    given = body.get("input")
    if isinstance(given, str):
        yield Said("user", given)
    for message in (*_list(body.get("messages")), *_list(given)):
        if isinstance(message, str):
            yield Said("user", message)
        elif isinstance(message, dict):
            content = message.get("content", message.get("output"))
            results = [part for part in _list(content) if _is_result(part)]
            if results:  # Anthropic's API lays what a tool printed into the user's mouth
                yield Said("tool", text_of(results))
                content = [part for part in _list(content) if not _is_result(part)]
            if content or not results:
                yield Said(str(message.get("role") or ""), text_of(content), tuple(_called(message)))


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or parts of which some are text."""
    if isinstance(content, str):
        return content
    parts = [part if isinstance(part, str) else _part_text(part) for part in _list(content)]
    return "\n".join(text for text in parts if text)


def _is_result(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "tool_result"


def _called(message: Mapping[str, Any]) -> Iterator[str]:
    """The names of the tools that a message calls, in whichever API's shape."""
    calls = [call.get("function") for call in _list(message.get("tool_calls")) if isinstance(call, dict)]
    parts = [part for part in _list(message.get("content")) if isinstance(part, dict)]
    calls += [part for part in parts if part.get("type") == "tool_use"]
    calls += [message] if message.get("type") == "function_call" else []
    yield from (call["name"] for call in calls if isinstance(call, dict) and isinstance(call.get("name"), str))


def _think(body: Mapping[str, Any]) -> object:
    """What a body says of thinking as Ollama takes it: ``think``, or an effort, of which ``none`` is false.

    Anthropic's ``thinking`` is no demand: Ollama answers it with any model.
    """
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else body.get("reasoning_effort")
    return body.get("think") if effort is None else effort != "none"


def _part_text(part: Any) -> str:
    if not isinstance(part, dict):
        return ""
    said = part.get("text")
    return said if isinstance(said, str) else text_of(part.get("content"))


def _shows_an_image(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    parts = (part.get("type") for part in _list(message.get("content")) if isinstance(part, dict))
    return bool(message.get("images")) or any(kind in ("image_url", "image", "input_image") for kind in parts)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# ---- headers -------------------------------------------------------------------------------------------------------


def _text_header(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return value.decode("latin-1").strip()[:128] or None if value else None


def _priority(headers: Mapping[bytes, bytes]) -> Any:
    said = priority_of(_words(headers)) or "interactive"
    if said not in PRIORITIES:
        raise HttpFault(400, f"x-innkeep-priority is one of {', '.join(PRIORITIES)}, not {said!r}", "bad_request")
    return said


def _patience(headers: Mapping[bytes, bytes]) -> float | None:
    said = _text_header(headers, b"x-innkeep-patience")
    if said is None:
        return None
    try:
        seconds = float(said.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise HttpFault(400, f"x-innkeep-patience is a number of seconds, not {said!r}", "bad_request")
    return seconds


def _is_strict(headers: Mapping[bytes, bytes]) -> bool:
    """Whether exactly the named model is wanted, for an errand too."""
    said = (_text_header(headers, b"x-innkeep-strict") or "false").lower()
    if said not in _YES | _NO:
        raise HttpFault(400, f"x-innkeep-strict is true or false, not {said!r}", "bad_request")
    return said in _YES


def _words(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}


def _client(headers: Mapping[bytes, bytes]) -> str:
    """The product's name of the user agent."""
    agent = headers.get(b"user-agent", b"").decode("latin-1")
    return f"http {agent.split()[0][:60]}" if agent.strip() else "http"
