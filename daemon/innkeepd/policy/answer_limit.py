"""How many tokens an answer may have, so that the context never shifts under it.

Since 0.30 Ollama shifts the context of a long answer in silence, up to ten contexts long (``llm/llama_server.go``
``boundedNumPredict``); under ``/v1`` it always did. Prompt and answer together must stay within the context, so the
answer is limited to what the prompt leaves. A token has at least one byte, so the bytes of a body are a bound of its
tokens; where that bound leaves too little, only an exact count tells. Tokens everywhere, but for ``size`` in bytes.
"""

from typing import Any

SPARE = 1024
"""Tokens left for what the model's template and its own system prompt add to a body."""


def asked_for(value: Any, own: int | None = None) -> int | None:
    """The limit that a client asks for; None for an open end, which 0 and less are too (Ollama leaves 0 out).

    ``own``: the model's own limit (``PARAMETER num_predict`` of its Modelfile), which stands where nothing is asked.
    """
    if value is None:
        return own
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def certain_limit(context: int, size: int, asked: int | None) -> int | None:
    """The limit that needs no count; None where only a count tells.

    An open end needs no count where half of the context is left in any case. One limit that the context holds in any
    case is kept; one of a whole context or more is no different from an open end.
    """
    room = context - size - SPARE
    if asked is not None and asked < context:
        return asked if asked <= room else None
    return room if room >= context // 2 else None


def counted_limit(context: int, prompt: int, asked: int | None) -> int:
    """The limit beside a prompt of so many tokens; 0 tokens are a count that failed, half of the context is left."""
    room = context - prompt if prompt > 0 else context // 2
    return max(1, room if asked is None else min(asked, room))


def is_shifted(context: int | None, prompt: int, answer: int) -> bool:
    """Whether the context was shifted under an answer: both together are longer. Exact in every recording."""
    return context is not None and prompt + answer > context
