"""Ollama's JSON as typed Structs, and the stream of an answer as bytes in, pieces out (no IO).

Only the fields that the daemon uses are decoded: msgspec skips the rest, which is what keeps a token at a fraction of a
microsecond. Every shape here was recorded from a real Ollama (``tests/data/ollama``).
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from innkeepd.backends.backend import BackendFault, Completion, Piece
from innkeepd.backends.decoding import Undecodable, count, decode, decode_lines, mean_count
from innkeepd.policy.error_texts import classify
from innkeepd.policy.model import Model, canonical

MAX_LINE = 16 * 2**20
"""Bytes of one line of an answer; a longer one is a fault, so that no engine can fill our memory."""

_NANOSECONDS = 1e-9
_SCALE = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_PARAMETER_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([KMBT]?)B?", re.IGNORECASE)
_NUM_PREDICT = re.compile(r"^num_predict\s+([0-9]{1,9})\s*$", re.MULTILINE)
_FROM_BLOB = re.compile(r"^FROM\s.*?(sha256)[-:]([0-9a-f]{64})", re.IGNORECASE | re.MULTILINE)


class Details(Struct, frozen=True):
    """The details of a model in ``/api/tags``."""

    parameter_size: str = ""
    quantization_level: str = ""
    format: str = ""


class Tag(Struct, frozen=True):
    """One model of ``/api/tags``; ``capabilities`` since 0.30.0. ``remote_host``: a cloud model, run there."""

    name: str
    size: int = 0
    digest: str = ""
    details: Details | None = None
    capabilities: list[str] | None = None
    remote_host: str | None = None


class Tags(Struct, frozen=True):
    """``/api/tags``."""

    models: list[Tag] | None = None


class Shown(Struct, frozen=True):
    """``/api/show``, without template, licence and tensors."""

    modelfile: str = ""
    parameters: str = ""
    model_info: dict[str, Any] | None = None
    capabilities: list[str] | None = None


class Process(Struct, frozen=True):
    """One model of ``/api/ps``."""

    name: str
    size: int = 0
    digest: str = ""
    expires_at: str = ""
    context_length: int | None = None
    size_vram: int | None = None


class Processes(Struct, frozen=True):
    """``/api/ps``."""

    models: list[Process] | None = None


class Version(Struct, frozen=True):
    """``/api/version``; a build from source says 0.0.0."""

    version: str


class Generated(Struct, frozen=True):
    """The one-line answer of a load or an unload."""

    done_reason: str = ""
    error: Any = None


class Embedded(Struct, frozen=True):
    """``/api/embed``."""

    embeddings: list[list[float]]


class _Message(Struct, frozen=True, gc=False):
    content: str = ""
    thinking: str = ""
    tool_calls: list[dict[str, Any]] | None = None


class _Line(Struct, frozen=True, gc=False):
    message: _Message | None = None
    done: bool = False
    done_reason: str = ""
    prompt_eval_count: int = 0
    eval_count: int = 0
    prompt_eval_duration: int = 0
    eval_duration: int = 0
    load_duration: int = 0
    error: Any = None


_LINE = msgspec.json.Decoder(_Line)
_ANYTHING = msgspec.json.Decoder()


class AnswerLines:
    """The newline-delimited answer of ``/api/chat``, fed in chunks that are cut anywhere.

    A fault is handed out in its place among the pieces, so that text which came before it in the same chunk is not
    lost. Nothing follows the ``Completion`` or a fault. ``prefill`` and ``load``: seconds that a count before
    it took to read the prompt and to load; the answer then only finds what that has done.
    """

    def __init__(self, *, prefill: float = 0.0, load: float = 0.0) -> None:
        self._prefill = prefill
        self._load = load
        self._rest = b""
        self.over = False

    def __repr__(self) -> str:
        return f"<AnswerLines over={self.over} rest={len(self._rest)} bytes>"

    def feed(self, chunk: bytes) -> list[Piece | Completion | BackendFault]:
        """What the bytes so far complete."""
        data = self._rest + chunk if self._rest else chunk
        cut = data.rfind(b"\n") + 1
        whole, self._rest = (data, b"") if cut == len(data) else (data[:cut], data[cut:])
        out: list[Piece | Completion | BackendFault] = []
        self._take(whole, out)
        if len(self._rest) > MAX_LINE and not self.over:
            self._end(out, BackendFault("backend_error", "Ollama sent a line of over 16 MiB"))
        return out

    def end(self) -> list[Piece | Completion | BackendFault]:
        """What is left when the body has ended; an answer without its ``done`` record was cut off."""
        out: list[Piece | Completion | BackendFault] = []
        if not self.over:
            with suppress(Undecodable):  # half a line
                self._line(decode(self._rest, _LINE), out)
        if not self.over:
            self._end(
                out, BackendFault("backend_error", "the answer broke off: Ollama closed it without a last record")
            )
        return out

    def _take(self, data: bytes, out: list[Piece | Completion | BackendFault]) -> None:
        """Decode whole lines, all of a chunk in one call; where one is broken, those before it still count."""
        if self.over or not data:
            return
        try:
            lines = decode_lines(data, _LINE)
        except Undecodable:
            self._take_one_by_one(data, out)
            return
        for line in lines:
            if self._line(line, out):
                return

    def _take_one_by_one(self, data: bytes, out: list[Piece | Completion | BackendFault]) -> None:
        for raw in data.splitlines():
            if not raw.strip():
                continue
            try:
                line = decode(raw, _LINE)
            except Undecodable:
                self._end(out, BackendFault("backend_error", "Ollama sent a line that is not one of its answers"))
                return
            if self._line(line, out):
                return

    def _line(self, line: _Line, out: list[Piece | Completion | BackendFault]) -> bool:
        """Hand out one line; whether it was the last."""
        if line.error is not None:
            text = error_words(line.error)
            self._end(out, BackendFault(classify(None, text), text))
            return True
        message = line.message
        if message is not None:
            if message.thinking:
                out.append(Piece(thinking=message.thinking))
            if message.content:
                out.append(Piece(message.content))
            if message.tool_calls:
                out.append(Piece(tool_calls=message.tool_calls))
        if line.done:
            self._end(out, self._finish(line))
        return line.done

    def _finish(self, line: _Line) -> Completion:
        return Completion(
            line.done_reason or "stop",
            count(line.prompt_eval_count),
            count(line.eval_count),
            self._prefill or seconds(line.prompt_eval_duration),
            seconds(line.eval_duration),
            max(self._load, seconds(line.load_duration)),
        )

    def _end(self, out: list[Piece | Completion | BackendFault], last: Completion | BackendFault) -> None:
        self.over = True
        self._rest = b""
        out.append(last)


def seconds(nanoseconds: int) -> float:
    """Ollama's nanoseconds in seconds; 0 for what cannot be."""
    return nanoseconds * _NANOSECONDS if 0 <= nanoseconds < 2**63 else 0.0


def error_words(error: Any) -> str:
    """The text of an ``error`` field on one line: a text (``/api``) or an object with a ``message`` (``/v1``).

    Since 0.30 the text may itself be llama-server's JSON, and further lines of its log: the message and those are kept.
    """
    if isinstance(error, Mapping):
        error = error.get("message") or error.get("error") or error
    first, _, rest = str(error).strip().partition("\n")
    if first.startswith("{"):
        with suppress(Undecodable):
            inner = decode(first, _ANYTHING)
            if isinstance(inner, Mapping) and inner.get("error"):
                first = error_words(inner["error"])
    return " ".join((first, *rest.splitlines())).strip()[:1000]


def error_text(body: bytes) -> str:
    """The text of an error answer's body, be it Ollama's JSON or a proxy's page."""
    try:
        parsed = decode(body, _ANYTHING)
    except Undecodable:
        parsed = body.decode("utf-8", "replace")
    if isinstance(parsed, dict) and parsed.get("error"):
        return error_words(parsed["error"])
    return error_words(parsed or "no words")


def epoch(text: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 time with up to nanoseconds and any offset; None where it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def parameters(text: str) -> int:
    """``32.8B``, ``189.31M``, ``108K`` as a number; 0 where unknown."""
    found = _PARAMETER_SIZE.fullmatch(text.strip())
    return count(round(float(found[1]) * _SCALE[found[2].upper()])) if found else 0


def weights_of(shown: Shown, digest: str) -> str:
    """What identifies the file in memory: the blob of the modelfile's first ``FROM`` line, else the model's digest.

    A second ``FROM`` line is a vision model's projector; names with the same first blob share one runner.
    """
    found = _FROM_BLOB.search(shown.modelfile)
    return f"sha256-{found[2].lower()}" if found else digest


def _own_limit(parameters: str) -> int:
    """``num_predict`` of a model's own parameters, one a line in ``show``; 0 without one or with an open end."""
    found = _NUM_PREDICT.search(parameters)
    return count(int(found[1])) if found else 0


def model_of(tag: Tag, shown: Shown | None) -> Model:
    """A model as the policy knows it; without ``shown`` from ``/api/tags`` alone."""
    details = tag.details or Details()
    parsed = Model(
        name=canonical(tag.name),
        weights=tag.digest or canonical(tag.name),
        size=0 if tag.remote_host else count(tag.size),
        parameters=parameters(details.parameter_size),
        quantization=details.quantization_level,
        digest=tag.digest,
        host=tag.remote_host or "",
        format=details.format,
    )
    parsed = msgspec.structs.replace(parsed, capabilities=frozenset(tag.capabilities or ()))
    if shown is None:
        return parsed
    info = shown.model_info or {}
    arch = info.get("general.architecture", "")
    heads = mean_count(info.get(f"{arch}.attention.head_count"))
    width = mean_count(info.get(f"{arch}.embedding_length")) // heads if heads else 0
    return msgspec.structs.replace(
        parsed,
        weights=weights_of(shown, parsed.weights),
        parameters=mean_count(info.get("general.parameter_count")) or parsed.parameters,
        layers=mean_count(info.get(f"{arch}.block_count")),
        kv_heads=mean_count(info.get(f"{arch}.attention.head_count_kv")) or heads,
        key_length=mean_count(info.get(f"{arch}.attention.key_length")) or width,
        value_length=mean_count(info.get(f"{arch}.attention.value_length")) or width,
        max_context=mean_count(info.get(f"{arch}.context_length")),
        answer_limit=_own_limit(shown.parameters),
        capabilities=frozenset(shown.capabilities or ()) or parsed.capabilities,
    )
