"""One request's fallback: what a failure was, and what follows it.

The first token commits. Before it the request moves on to the next candidate; after it no other model continues the
text, so whatever goes wrong ends the request honestly, as partial. What a failure was is told by ``error_texts``; what
follows is a table over wire codes (``Attempts.failed``).
"""

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from msgspec import Struct

DEFAULT_PREFILL = 40.0
"""Tokens a second that a 32B reads on an M3 Pro, until its own speed has been learned."""

RETRY_DELAYS = (0.1, 0.5)
"""Seconds before each quick retry of an unreachable backend: Ollama's app restarts its server in less than a second."""

_ASCII_PER_TOKEN = 4
_COUNTED = 65_536
"""Characters that are counted at a time."""
_BYTES_PER_TOKEN = 3

_PROMPT_TOKENS = re.compile(
    r"n_prompt_tokens\\*\": ?(\d{1,9})|request \((\d{1,9}) tokens\) exceeds|prompt has (\d{1,9}) tokens"
)


def prompt_tokens(text: str) -> int:
    """The exact length of a prompt that a refusal tells, in tokens; 0 where it tells none.

    Source: llama-server's ``exceed_context_size_error``, as Ollama 0.33 passes it on; the last is our own look's.
    """
    found = _PROMPT_TOKENS.search(text)
    return int(next(filter(None, found.groups()))) if found else 0


# ---- what follows --------------------------------------------------------------------------------------------------


class NextCandidate(Struct, frozen=True):
    """Go on with the next candidate; one whose context is at most ``above`` tokens is no use (0: any will do)."""

    above: int = 0


class RetrySame(Struct, frozen=True):
    """Ask the same candidate again after ``delay`` seconds."""

    delay: float


class GrowContext(Struct, frozen=True):
    """Reload the same model at a larger context that fits and ask again; where none does, the next candidate.

    ``tokens``: of the prompt, as the engine counted them; 0 where it told no number.
    """

    tokens: int = 0


class Stop(Struct, frozen=True):
    """The request ends with ``code``; ``partial``: some of the answer has been told already."""

    code: str
    partial: bool = False


Step: TypeAlias = NextCandidate | RetrySame | GrowContext | Stop

NEXT = frozenset(
    {
        "load_failed",
        "out_of_memory",
        "first_token_timeout",
        "stalled",
        "backend_error",
        "queue_full",
        "unknown_model",
        "model_missing",
        "never_fits",
        "unsupported",
    }
)
"""Failures of one candidate that another may not share; not those of the request itself (bad, cancelled, late)."""


class Attempt(Struct, frozen=True):
    """One candidate's turn in seconds; ``outcome`` is ``answered``, ``failed``, ``passed_over`` or ``cancelled``."""

    model: str
    outcome: str
    code: str | None = None
    seconds: float = 0.0
    message: str | None = None


class Verdict(Struct, frozen=True):
    """The error that a request ends with."""

    code: str
    message: str
    detail: dict[str, Any]


class Attempts:
    """What one request has tried. Decides, remembers, and never acts."""

    def __init__(self) -> None:
        self._tried: list[Attempt] = []
        self._retries = 0
        self._overflowed_at = -1
        self._above = 0
        self._partial = False

    def __repr__(self) -> str:
        return f"<Attempts {', '.join(f'{each.model}: {each.code or each.outcome}' for each in self._tried) or 'none'}>"

    @property
    def tried(self) -> Sequence[Attempt]:
        """Every turn so far, oldest first."""
        return tuple(self._tried)

    @property
    def last_failure(self) -> Attempt | None:
        """The latest turn that was really taken and failed, for ``started.after``."""
        return next((each for each in reversed(self._tried) if each.outcome == "failed"), None)

    def passed_over(self, model: str, code: str, message: str) -> None:
        """A candidate that cannot be had: never fits, is not pulled, cools after a failed load."""
        self._tried.append(Attempt(model, "passed_over", code, 0.0, message))

    def answered(self, model: str, seconds: float) -> None:
        """The whole answer has been told."""
        self._tried.append(Attempt(model, "answered", None, seconds))

    def failed(
        self,
        model: str,
        code: str,
        message: str,
        *,
        first_token_sent: bool,
        seconds: float = 0.0,
        context: int | None = None,
        again: bool = True,
    ) -> Step:
        """What follows a failure; ``told``: a first token was passed on; ``context``: what the model was loaded with.

        An unreachable backend is asked again twice (unless ``again`` is false: it was slow to say so), then the next
        candidate (a remote engine may serve where the local one is down). A prompt over the context grows it, again
        for as long as the reload brought a larger one. Both counts begin anew with another candidate.
        """
        outcome = "cancelled" if code == "cancelled" else "failed"
        self._tried.append(Attempt(model, outcome, code, seconds, message))
        if first_token_sent:
            self._partial = True
            return Stop(code, partial=True)
        if code == "backend_unreachable" and again and self._retries < len(RETRY_DELAYS):
            self._retries += 1
            return RetrySame(RETRY_DELAYS[self._retries - 1])
        if code == "context_overflow":
            self._above = max(self._above, context or 0)
            if (context or 0) > self._overflowed_at:
                self._overflowed_at = context or 0
                return GrowContext(prompt_tokens(message))
        if code in NEXT or code in {"backend_unreachable", "context_overflow"}:
            return self.next_candidate()
        return Stop(code)

    def next_candidate(self) -> NextCandidate:
        """Move on, also where the caller found that a context cannot grow."""
        self._retries = 0
        self._overflowed_at = -1
        return NextCandidate(self._above)

    def verdict(self) -> Verdict:
        """The error to end with: the last real failure's, or where nothing was tried the last reason for passing over.

        ``detail`` has ``attempts`` (one map a turn, shaped like the wire's ``AttemptRecord``) and ``partial`` where
        text was told.
        """
        last = self.last_failure or (self._tried[-1] if self._tried else None)
        detail: dict[str, Any] = {"attempts": [_plain(each) for each in self._tried]}
        if self._partial:
            detail["partial"] = True
        if last is None:
            return Verdict("unknown_model", "no model is a candidate for this request", detail)
        return Verdict(last.code or "internal", last.message or "", detail)


def _plain(attempt: Attempt) -> dict[str, Any]:
    return {field: getattr(attempt, field) for field in attempt.__struct_fields__}


# ---- how long a first token may take -------------------------------------------------------------------------------


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has: 4 ASCII characters make one, and so do 3 bytes of UTF-8 of anything else.

    An assumption, not a measurement: Hangul and CJK are 3 bytes a character, one token each, Cyrillic and accented
    letters 2 bytes, emoji 4. Models of 100 K and more words in their vocabulary use fewer, so this errs towards
    patience.
    """
    if text.isascii():
        return -(-len(text) // _ASCII_PER_TOKEN)
    ascii_bytes = other_bytes = 0
    for start in range(
        0, len(text), _COUNTED
    ):  # a copy of a long text as a whole is slow, and nobody else runs meanwhile
        part = text[start : start + _COUNTED]
        kept = len(part.encode("ascii", "ignore"))
        ascii_bytes += kept
        other_bytes += len(part.encode("utf-8", "surrogatepass")) - kept
    return -(-ascii_bytes // _ASCII_PER_TOKEN) - (-other_bytes // _BYTES_PER_TOKEN)


def first_token_limit(base: float, prompt_tokens: int, prefill_tps: float = DEFAULT_PREFILL) -> float:
    """Seconds for a first token from the moment the backend has the request: ``base`` plus the reading of the prompt.

    ``prefill_tps`` is the learned speed in tokens a second; one that cannot be (0 or less) counts as unknown.
    """
    return base + prompt_tokens / (prefill_tps if prefill_tps > 0 else DEFAULT_PREFILL)
