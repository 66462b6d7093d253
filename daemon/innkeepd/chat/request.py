"""One request on its way, and the decision record that it leaves."""

from secrets import token_hex
from time import time as epoch
from typing import Any

import anyio

from innkeepd.chat.types import ChatSpec, Completion, Target
from innkeepd.policy.fallback import Attempts

MOST_WAITS = 20
"""Reasons of waiting that a record keeps."""


class Request:
    """One request on its way; ``id`` names its decision record."""

    def __init__(self, wish: ChatSpec, direction: Target) -> None:
        self.id = token_hex(4)
        self.wish = wish
        self.direction = direction
        self.attempts = Attempts()
        self.asked = anyio.current_time()
        self.asked_at = epoch()
        self.queued = 0.0
        self.swap = 0.0
        self.first_token: float | None = None
        self.model: str | None = None
        self.result: Completion | None = None
        self.told = False
        self.evicted: list[str] = []
        self.waits: list[str] = []
        self.warnings: list[str] = []

    def waited_for(self, reason: str) -> None:
        """Keep a reason for the record, the first few of them."""
        if reason and reason not in self.waits and len(self.waits) < MOST_WAITS:
            self.waits.append(reason)

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


def decision_record(request: Request, outcome: str, code: str | None, message: str | None) -> dict[str, Any]:
    """What was decided for a request and why, and how it went; holds none of its text. Seconds, tokens."""
    wish, way, result = request.wish, request.direction, request.result or Completion()
    timings = {
        "queued": round(request.queued, 4),
        "swap": round(request.swap, 4),
        "first_token": None if request.first_token is None else round(request.first_token, 4),
        "total": round(request.total, 4),
        "tokens_per_second": None if (speed := request.tokens_per_second) is None else round(speed, 2),
    }
    return {
        "id": request.id,
        "asked_at": round(request.asked_at, 3),
        "kind": wish.kind,
        "priority": wish.priority,
        "client": wish.client,
        "session": wish.session,
        "last": wish.last,
        "role": way.role,
        "confidence": round(way.confidence, 3),
        "reason": way.reason,
        "chain": [candidate.name for candidate in way.candidates],
        "model": request.model,
        "outcome": outcome,
        "code": code,
        "message": message,
        "attempts": request.attempts.verdict().detail["attempts"],
        "waits": request.waits,
        "evicted": request.evicted,
        "timings": timings,
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "warnings": request.warnings,
    }
