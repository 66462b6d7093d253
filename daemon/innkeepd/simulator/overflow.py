"""What becomes of a prompt that is longer than the context, in each version. Tokens everywhere."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from innkeepd.simulator import texts
from innkeepd.simulator.faults import Refusal


class Prompt(Struct, frozen=True):
    """A prompt that meets a runner.

    ``messages``: roles and texts, in order; ``count`` gives the tokens of some of them. ``truncate``: cut what is too
    long. ``shift``: the runner may shift. ``renders_itself``: llama-server renders it, not Ollama (no Go template).
    """

    messages: Sequence[tuple[str, str]]
    count: Callable[[Sequence[tuple[str, str]]], int]
    context: int
    truncate: bool = True
    shift: bool = True
    num_keep: int = 4
    renders_itself: bool = False


class Fitted(Struct, frozen=True):
    """What is read of it: ``messages`` that are left, and their ``tokens`` after the cut."""

    messages: Sequence[tuple[str, str]]
    tokens: int


def to_context(prompt: Prompt) -> Fitted:
    """0.17: cut to the whole context, or refused. Raises ``Refusal`` 400."""
    tokens = prompt.count(prompt.messages)
    if tokens > prompt.context and not prompt.truncate:
        raise Refusal(400, texts.TOO_LONG)
    return Fitted(prompt.messages, min(tokens, prompt.context))


def to_half(prompt: Prompt) -> Fitted:
    """0.33: whole messages are dropped from the front; one that is still too long is cut to about half of the context.

    The longest prompt has one token less than the context. Raises ``Refusal`` 400.
    """
    tokens = prompt.count(prompt.messages)
    if tokens < prompt.context:
        return Fitted(prompt.messages, tokens)
    if not prompt.truncate:
        raise Refusal(400, texts.exceeds(tokens, prompt.context))
    kept = _without_first(prompt)
    tokens = prompt.count(kept)
    if tokens < prompt.context:
        return Fitted(kept, tokens)
    if prompt.renders_itself:
        raise Refusal(400, texts.exceeds(tokens, prompt.context))
    if not prompt.shift:
        raise Refusal(400, texts.NO_SHIFT)
    keep = prompt.num_keep + 1  # and the token that begins a text
    return Fitted(kept, prompt.context - (prompt.context - keep) // 2)


def _without_first(prompt: Prompt) -> Sequence[tuple[str, str]]:
    """The longest end of the messages that fits; system messages and the last one stay (``server/prompt.go``)."""
    messages = list(prompt.messages)
    while len(messages) > 1 and prompt.count(messages) >= prompt.context:
        first = next((place for place, (role, _) in enumerate(messages[:-1]) if role != "system"), None)
        if first is None:
            break
        del messages[first]
    return messages


def longest_answer(num_predict: int | None, tokens: int, context: int, *, shift: bool) -> int | None:
    """Tokens after which an answer ends with ``length``; None for no bound.

    Without ``shift`` the context is the end. With it ``num_predict`` is bounded to ten contexts, as an open end (below
    0, or not said) is; 0 is left out towards the runner, and so has no end at all.
    """
    if shift and num_predict == 0:
        return None
    most = 10 * context if shift else max(1, context - tokens)
    return min(num_predict, most) if num_predict is not None and num_predict > 0 else most
