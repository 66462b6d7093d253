"""What an engine's error text means: a table from its words to a wire code.

Ollama answers almost everything with status 500, so the words decide. The table is data: each row says where its text
was seen, and the first row that matches wins. Sources: ``recorded`` (``tests/data/ollama`` and ``ollama-0.33``),
``source`` (read in Ollama's ``server/sched.go``, ``server/routes.go``, ``llm/server.go``, ``llm/status.go``,
``llm/llama_server.go``), ``openai`` (servers that speak OpenAI's API).
"""

import re
from typing import Literal, TypeAlias

from msgspec import Struct

Source: TypeAlias = Literal["recorded", "source", "openai"]

_REFUSED = frozenset({400, 413, 422})
"""Statuses by which an engine says that the request is at fault."""


class ErrorText(Struct, frozen=True):
    """One row. ``words`` is a pattern in lower case; ``refused``: whether it is believed under a 4xx status too.

    A text under 400, 413 or 422 may quote the request, so only rows that such an answer was seen with apply there.
    """

    words: str
    code: str
    source: Source
    refused: bool = False


ERROR_TEXTS = (
    ErrorText(r"request cancell?ed|context cancell?ed", "cancelled", "recorded", refused=True),
    ErrorText(r"server busy|maximum pending requests exceeded", "queue_full", "recorded", refused=True),
    # Memory stands before loading: a load that ran out of memory has the words of both.
    ErrorText(r"requires more system memory", "out_of_memory", "recorded"),
    ErrorText(r"model requires .+ but only .+ (?:are|is) available", "out_of_memory", "source"),  # MLX
    ErrorText(r"insufficient memory|outofmemory", "out_of_memory", "recorded"),
    ErrorText(r"\bcompute error\b", "out_of_memory", "recorded"),  # llama-server on a GPU; the second line may be late
    ErrorText(
        r"out of (?:device )?memory|not enough memory|(?:cudamalloc|hipmalloc) failed|allocation failed"
        r"|reported out-of-memory|vk_error_out_of_device_memory",
        "out_of_memory",
        "source",
    ),
    ErrorText(r"failed to allocate", "out_of_memory", "recorded"),
    ErrorText(r"unable to load full model on gpu|memory layout cannot be allocated", "out_of_memory", "source"),
    ErrorText(r"model failed to load, this may be due to resource limitations", "out_of_memory", "source"),
    ErrorText(r"(?:runner|llama-server) process has terminated", "load_failed", "recorded"),
    ErrorText(r"error loading model|unable to load model|failed to load model", "load_failed", "recorded"),
    ErrorText(r"tensor .+ exceeds file size|invalid file magic", "load_failed", "recorded"),
    ErrorText(r"(?:runner|llama-server) process no longer running", "load_failed", "source"),
    ErrorText(r"error starting (?:runner|llama)|no suitable .* runner", "load_failed", "source"),
    ErrorText(r"timed out waiting for (?:llama|mlx|the)[- ]?\w*", "load_failed", "source"),
    ErrorText(r"mlx runner failed", "load_failed", "source"),
    ErrorText(
        r"exceeds? (?:the |max(?:imum)? )?(?:available )?context|exceeded max context",
        "context_overflow",
        "recorded",
        refused=True,
    ),
    ErrorText(r"longer than the context length", "context_overflow", "recorded", refused=True),
    ErrorText(r"maximum context length|context_length_exceeded", "context_overflow", "openai", refused=True),
    ErrorText(r"does not support|is not supported|not supported by", "unsupported", "recorded", refused=True),
    ErrorText(r"missing data required for image input", "unsupported", "source", refused=True),
    ErrorText(
        r"invalid format:|option \".*\" must be of type|time: (?:invalid|missing|unknown)", "bad_request", "recorded"
    ),
    ErrorText(r"model .*(?:not found|does not exist)|model_not_found", "unknown_model", "recorded"),
    ErrorText(r"pull model manifest", "unknown_model", "recorded"),
    ErrorText(r"lookup .+ no such host", "backend_unreachable", "recorded"),  # a cloud model without a network
    ErrorText(r"cloud is disabled", "unsupported", "recorded"),
    ErrorText(r"an error was encountered while running the model", "backend_error", "recorded"),
    ErrorText(r"model runner has unexpectedly stopped|llama-server chat error", "backend_error", "source"),
    ErrorText(r"error parsing tool call", "backend_error", "source"),
)
"""In the order in which they are tried."""

_ROWS = tuple((re.compile(row.words, re.DOTALL), row) for row in ERROR_TEXTS)


def classify(status: int | None, text: str) -> str:
    """The wire code of an engine's error answer, or of an ``error`` line in mid-answer (``status`` None).

    A status that says enough goes first, so that words quoted from the request cannot mislead.
    """
    if status == 499:
        return "cancelled"
    if status in (429, 503):
        return "queue_full"
    found = _row(status, text)
    if status == 404:
        return "unknown_model" if found is not None and found.code == "unknown_model" else "backend_error"
    if found is not None and (status is None or found.code != "unknown_model"):
        return found.code
    return "bad_request" if status in _REFUSED else "backend_error"


def is_known(status: int | None, text: str) -> bool:
    """Whether the table has the text, or its status says enough without it."""
    return status in (*_REFUSED, 401, 403, 404, 405, 429, 499, 501, 502, 503) or _row(status, text) is not None


def is_damaged(text: str) -> bool:
    """Whether this is how Ollama (since 0.30) answers for a chat model whose file is damaged or gone.

    It cannot read the capabilities then and says that the model lacks them, under status 400.
    """
    return bool(re.search(r"does not support (?:chat|generate)$", text.strip()))


def unquoted(text: str) -> str:
    """At most 120 characters of an error text, up to its first quotation: that may be words of a prompt or answer."""
    return re.split(r"['\"`{\[<]|raw=", text)[0].strip()[:120]


def _row(status: int | None, text: str) -> ErrorText | None:
    words = text.lower()
    return next(
        (row for pattern, row in _ROWS if (row.refused or status not in _REFUSED) and pattern.search(words)), None
    )
