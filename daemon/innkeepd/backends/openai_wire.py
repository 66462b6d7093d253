"""The answers of OpenAI-compatible servers: streamed chunks to pieces, and their errors to ours (no IO).

Read from vLLM, LiteLLM, Ray Serve, llama.cpp and Ollama's ``/v1``, which differ in what they add: thinking is
``reasoning_content`` or ``reasoning``, an error in mid-stream is an event whose data has ``error``, or is one itself
(``"object": "error"``), ``[DONE]`` may be missing.
"""

import re
from typing import Any

import msgspec
from msgspec import Struct

from innkeepd.backends.answer import Item
from innkeepd.backends.backend import BackendFault, Completion, Piece
from innkeepd.backends.decoding import Undecodable, count, decode
from innkeepd.backends.ollama_wire import error_text, error_words
from innkeepd.backends.sse import MAX_EVENT, Event, EventStream, TooLong
from innkeepd.policy.error_texts import classify

_REASONS = {"tool_calls": "stop", "function_call": "stop"}
"""How Ollama calls the ends of an answer; the others are called the same."""

EVERYWHERE = frozenset({"/chat/completions", "/models"})
"""What every engine of this kind has."""

TOO_LONG = "the engine sent a part of its answer that has over 4 MiB"

_SIGN_OF_LIFE = Piece("")
"""Data arrived that yields no piece yet (part of a tool call): the answer has not stalled."""


class _Function(Struct, frozen=True, gc=False):
    name: str | None = None
    arguments: Any = None


class _Call(Struct, frozen=True, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct, frozen=True, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct, frozen=True, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _Usage(Struct, frozen=True, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(Struct, frozen=True, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    object: str = ""
    message: Any = None
    code: Any = None


class _Vector(Struct, frozen=True):
    embedding: list[float]
    index: int | None = None


class Embedded(Struct, frozen=True):
    """``/v1/embeddings``."""

    data: list[_Vector]

    def vectors(self) -> list[list[float]]:
        """In the order of the texts."""
        numbered = [
            (place if each.index is None else each.index, each.embedding) for place, each in enumerate(self.data)
        ]
        return [vector for _, vector in sorted(numbered, key=lambda pair: pair[0])]


class _Listed(Struct, frozen=True):
    id: str


class Listed(Struct, frozen=True):
    """``/v1/models``."""

    data: list[_Listed]


_CHUNK = msgspec.json.Decoder(_Chunk)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


class _Assembly:
    """One tool call under construction: first its name, then the JSON text of its arguments in parts."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.text: list[str] = []
        self.whole: dict[str, Any] | None = None

    def add(self, call: _Call) -> None:
        self.id = self.id or call.id or ""
        if call.function is None:
            return
        self.name = self.name or call.function.name or ""
        if isinstance(call.function.arguments, dict):
            self.whole = call.function.arguments
        elif call.function.arguments:
            self.text.append(str(call.function.arguments))

    def finished(self, index: int) -> dict[str, Any]:
        """The call in Ollama's form. Raises ``Undecodable`` where the arguments are no JSON object."""
        text = "".join(self.text).strip() or "{}"
        arguments = self.whole if self.whole is not None else decode(text, _OBJECT)
        function = {"index": index, "name": self.name, "arguments": arguments}
        return {"id": self.id, "function": function} if self.id else {"function": function}


class AnswerEvents:
    """The answer of ``/v1/chat/completions``, fed in chunks.

    ``streamed`` false: one object, of a server that does not stream. ``silent``: thinking is dropped.
    ``secret`` is removed from error texts.

    Nothing follows the ``Completion`` or a fault. Token counts arrive in a chunk of their own after the text,
    so the end waits for ``[DONE]`` or the end of the body.
    """

    def __init__(self, *, streamed: bool = True, silent: bool = False, secret: str = "") -> None:
        self.over = False
        self._streamed = streamed
        self._silent = silent
        self._secret = secret
        self._body = b""
        self._events = EventStream()
        self._calls: dict[int, _Assembly] = {}
        self._reason: str | None = None
        self._usage = _Usage()

    def __repr__(self) -> str:
        return f"<AnswerEvents over={self.over} {self._events!r}>"

    def feed(self, chunk: bytes) -> list[Item]:
        """What the bytes so far complete."""
        out: list[Item] = []
        if self.over:
            return out
        if not self._streamed:
            self._body += chunk
            if len(self._body) > MAX_EVENT:
                self._fail(out, "backend_error", TOO_LONG)
            return out
        try:
            events = self._events.feed(chunk)
        except TooLong:
            self._fail(out, "backend_error", TOO_LONG)
            return out
        for event in events:
            self._event(event, out)
        return out

    def end(self) -> list[Item]:
        """What is left when the body has ended; an answer without its ``finish_reason`` was cut off."""
        out: list[Item] = []
        if self.over:
            return out
        for event in self._events.end() if self._streamed else [Event(self._body)]:
            self._event(event, out)
        if not self.over and self._reason is not None:
            self._finish(out)
        if not self.over:
            self._fail(out, "backend_error", "the answer broke off: the engine closed it before its end")
        return out

    def _event(self, event: Event, out: list[Item]) -> None:
        if self.over:
            return
        if event.data.strip() == b"[DONE]":
            self._finish(out)
            return
        try:
            chunk = decode(event.data, _CHUNK)
        except Undecodable:
            words = error_words(event.data.decode("utf-8", "replace")) if event.name == "error" else ""
            self._fail(
                out, classify(None, words), words or "the engine sent an event that is no part of a chat's answer"
            )
            return
        error = chunk.error or (chunk.message if chunk.object == "error" or event.name == "error" else None)
        if error is not None:
            words = error_words(error)
            code = error.get("code") if isinstance(error, dict) else chunk.code
            self._fail(out, code_of(_status(code), words), words)
            return
        self._usage = chunk.usage or self._usage
        for choice in (chunk.choices or [])[:1]:
            self._choice(choice, out)

    def _choice(self, choice: _Choice, out: list[Item]) -> None:
        delta = choice.delta or choice.message or _Delta()
        thinking = delta.reasoning_content or delta.reasoning
        if thinking:
            out.append(_SIGN_OF_LIFE if self._silent else Piece(thinking=thinking))
        text = delta.content or delta.refusal
        if text:
            out.append(Piece(text))
        for place, call in enumerate(delta.tool_calls or ()):
            index = place if call.index is None else call.index
            self._calls.setdefault(index, _Assembly()).add(call)
            out.append(_SIGN_OF_LIFE)
        self._reason = choice.finish_reason or self._reason

    def _finish(self, out: list[Item]) -> None:
        if self._calls:
            try:
                calls = [call.finished(place) for place, (_, call) in enumerate(sorted(self._calls.items()))]
            except Undecodable:
                self._fail(out, "backend_error", "the model called a tool with arguments that are no JSON object")
                return
            out.append(Piece(tool_calls=calls))
        self.over = True
        reason = self._reason or "stop"
        usage = self._usage
        out.append(Completion(_REASONS.get(reason, reason), count(usage.prompt_tokens), count(usage.completion_tokens)))

    def _fail(self, out: list[Item], code: str, message: str) -> None:
        self.over = True
        out.append(BackendFault(code, _without(message, self._secret)))


def _status(code: Any) -> int | None:
    """The HTTP status that an ``error`` in mid-stream has as its ``code``: a number or its digits."""
    digits = str(code) if isinstance(code, str) or (isinstance(code, int) and 0 <= code < 600) else ""
    number = int(digits) if re.fullmatch("[0-9]{3}", digits) else 0
    return number if 400 <= number < 600 else None


def code_of(status: int | None, words: str) -> str:
    """The wire code of an error, by ``classify``, but for what differs between engines.

    LiteLLM calls a model that it does not know a bad request. What one engine refuses another may take (a parameter, a
    kind of content), so a refusal sends the request on to the next candidate and does not end it.
    """
    if "invalid model name" in words.lower():
        return "unknown_model"
    code = classify(status, words)
    return "unsupported" if code == "bad_request" else code


def fault_of(status: int, body: bytes, url: str, *, path: str = "/chat/completions", secret: str = "") -> BackendFault:
    """An error answer as a fault; a token that it quotes is not passed on.

    A page that many engines lack (``/responses``, ``/messages``) is no sign that the engine is unwell.
    """
    if status in (401, 403):
        text = f"{url} refuses us with HTTP {status}: it wants another token; see this backend's token_file"
        return BackendFault("backend_error", text, status=status)
    words = _without(error_text(body), secret)
    code = code_of(status, words)
    if status in (404, 405) and code == "backend_error" and path not in EVERYWHERE:
        return BackendFault("unsupported", f"{url} does not support {path}", status=status)
    if status == 404 and code == "backend_error":
        words = f"{url} has no such page (HTTP 404): is this the API's address? It said: {words}"
    return BackendFault(code, words, status=status)


def _without(text: str, secret: str) -> str:
    return text.replace(secret, "***") if secret else text
