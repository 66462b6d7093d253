"""How long an answer may take to begin and to go on."""

import anyio

from innkeepd.backends.backend import BackendFault
from innkeepd.residency.clock import ticks


class ResponseDeadline:
    """How long an answer may take to begin and to go on: one cancel scope whose deadline moves.

    The deadline is only moved when less than the stall time is left of it, so that a token costs no timer; a stall is
    noticed at most 5 % late and never early.
    """

    def __init__(self, first: float, stall: float) -> None:
        self._first = first
        self._stall = stall
        self._clock = ticks()
        self._started = self._clock()
        self._scope = anyio.CancelScope(deadline=self._started + first)
        self.first_token: float | None = None

    @property
    def scope(self) -> anyio.CancelScope:
        """What the work runs in."""
        return self._scope

    def fault(self, model: str) -> BackendFault:
        """What it means that the deadline has passed."""
        if self.first_token is None:
            return BackendFault("first_token_timeout", f"{model} gave no token within {self._first:g} s")
        return BackendFault("stalled", f"{model} gave no further token for {self._stall:g} s")

    def went_on(self) -> None:
        """A piece came."""
        now = self._clock()
        if self.first_token is None:
            self.first_token = now - self._started
            self._scope.deadline = now + self._stall * 1.05
        elif self._scope.deadline - now < self._stall:
            self._scope.deadline = now + self._stall * 1.05

    def whole(self, seconds: float) -> None:
        """Nothing will be told before the whole answer is there: so much longer."""
        self._first += seconds
        self._scope.deadline += seconds

    def pause(self) -> None:
        """The client reads slowly: that is not the model's fault."""
        self._scope.deadline = float("inf")
