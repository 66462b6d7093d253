"""One request on its way, and the decision record that it leaves."""

from secrets import token_hex
from time import time as epoch

import anyio

from innkeep import wire
from innkeepd.backends.backend import Completion
from innkeepd.chat.types import ChatSpec, Target
from innkeepd.policy.error_texts import unquoted
from innkeepd.policy.fallback import Attempt, Attempts

MOST_WAITS = 20
"""Reasons of waiting that a record keeps."""
LONGEST = 1000
"""Characters of a message or reason that a record keeps."""
LEFT_OUT = "the engine's words are left out: they may quote the request"


class Request:
    """One request on its way; ``id`` names its decision record."""

    def __init__(self, spec: ChatSpec, target: Target) -> None:
        self.id = token_hex(4)
        self.spec = spec
        self.target = target
        self.attempts = Attempts()
        self.asked = anyio.current_time()
        self.asked_at = epoch()
        self.queued = 0.0
        self.swap = 0.0
        self.first_token: float | None = None
        self.model: str | None = None
        self.result: Completion | None = None
        self.first_token_sent = False
        self.evicted: list[str] = []
        self.waits: list[str] = []
        self.moves: list[wire.Move] = []
        self.warnings: list[str] = []

    def waited_for(self, reason: str) -> None:
        """Keep a reason for the record, the first few of them."""
        if reason and reason not in self.waits and len(self.waits) < MOST_WAITS:
            self.waits.append(reason)

    @property
    def is_ours_to_choose(self) -> bool:
        """Whether the model is not the client's choice: none is named, or an errand goes to a light one."""
        return self.spec.model is None or bool(self.target.errand)

    @property
    def total(self) -> float:
        """Seconds since it was asked."""
        return anyio.current_time() - self.asked

    @property
    def tokens_per_second(self) -> float | None:
        """As the engine measured it; None where it told nothing."""
        if self.result is None or self.result.decode_seconds <= 0:
            return None
        return self.result.completion_tokens / self.result.decode_seconds

    @property
    def prompt_per_second(self) -> float | None:
        """Tokens of the prompt a second, as the engine measured it; None where it reported nothing."""
        if self.result is None or self.result.prefill_seconds <= 0 or not self.result.prompt_tokens:
            return None
        return self.result.prompt_tokens / self.result.prefill_seconds


def decision_record(request: Request, outcome: str, code: str | None, message: str | None) -> wire.DecisionRecord:
    """What was decided for a request and why, and how it went.

    Holds none of the request's text: of what an engine said only the words before its first quotation are kept, since
    engines quote prompts and answers in their errors. The client has been told all of it.
    """
    spec, target, result = request.spec, request.target, request.result or Completion()
    tried = request.attempts.tried
    if message is not None and any(each.outcome == "failed" and each.message == message for each in tried):
        message = without_quotations(message, request.model)
    return wire.DecisionRecord(
        id=request.id,
        asked_at=round(request.asked_at, 3),
        kind=spec.kind,
        priority=spec.priority,
        client=spec.client,
        session=spec.session,
        last=spec.last,
        role=target.role,
        confidence=round(target.confidence, 3),
        reason=target.reason[:LONGEST],
        chain=[candidate.name for candidate in target.candidates],
        model=request.model,
        outcome=outcome,
        code=code,
        message=None if message is None else message[:LONGEST],
        attempts=[_kept(each) for each in tried],
        waits=request.waits,
        evicted=request.evicted,
        timings=wire.Timings(
            queued=round(request.queued, 4),
            swap=round(request.swap, 4),
            first_token=None if request.first_token is None else round(request.first_token, 4),
            total=round(request.total, 4),
            tokens_per_second=None if (speed := request.tokens_per_second) is None else round(speed, 2),
            prompt_per_second=None if (speed := request.prompt_per_second) is None else round(speed, 2),
        ),
        prompt_tokens=result.prompt_tokens,
        completion_tokens=result.completion_tokens,
        warnings=request.warnings,
        door=spec.door,
        moves=request.moves,
        errand=target.errand,
    )


def without_quotations(text: str, model: str | None) -> str:
    """An engine's words up to the first quotation that is not the model's name, to be stored or announced."""
    for mark in "'\"" if model else "":
        text = text.replace(f"{mark}{model}{mark}", str(model))
    return unquoted(text) or LEFT_OUT


def _kept(each: Attempt) -> wire.AttemptRecord:
    message = each.message
    if message is not None:
        message = without_quotations(message, each.model) if each.outcome == "failed" else message[:LONGEST]
    return wire.AttemptRecord(each.model, each.outcome, each.code, each.seconds, message)
