"""The words of a request's journey: what is wished, where it goes, what is leased, told and found out, how it fails."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from msgspec import Struct, field

from innkeepd.backends.backend import Backend, Completion
from innkeepd.backends.ollama_count import Counted
from innkeepd.chat.deadline import ResponseDeadline
from innkeepd.chat.demand import Demand
from innkeepd.policy.routing.correction import Example
from innkeepd.policy.scheduling import events as ev
from innkeepd.residency.catalog import Candidate


class ChatSpec(Struct, frozen=True, kw_only=True):
    """What a client wants, whoever the client is. ``patience`` and ``deadline`` are seconds from now.

    ``insist``: load it even if another model has to leave that is used, ``door``: ``socket`` or the HTTP path.
    ``strict``: exactly what was named answers, errand or not.
    """

    kind: str = "chat"
    demand: Demand = Demand()
    model: str | None = None
    fallbacks: tuple[str, ...] = ()
    role: str | None = None
    priority: ev.Priority = "interactive"
    patience: float | None = None
    deadline: float | None = None
    session: str | None = None
    last: bool = False
    client: str = ""
    insist: bool = False
    door: str = "socket"
    strict: bool = False


class Target(Struct, frozen=True):
    """Where a request goes: candidates best first, and why; ``seen``: what later feedback can teach, hashed.

    ``errand``: its kind where it is served as one (``policy.errands``).
    """

    role: str
    confidence: float
    reason: str
    candidates: tuple[Candidate, ...]
    shares: dict[str, float] = field(default_factory=dict)
    seen: Example | None = None
    errand: str = ""


class Progress(Struct, frozen=True):
    """Progress for whoever waits: ``kind`` is ``waiting`` or ``loading``; seconds."""

    kind: str
    model: str
    resident: tuple[str, ...] = ()
    position: int = 0
    ahead: int = 0
    expected: float | None = None
    reason: str = ""
    until: float | None = None
    unloading: tuple[str, ...] = ()
    elapsed: float = 0.0
    answering: tuple[str, ...] = ()
    why: str = ""
    refused_at: float | None = None


class Assignment(Struct):
    """What the work gets: the model, the engine that runs it, the context and keep-alive that are ours to set.

    ``counted`` is what the work found where it had the prompt counted first. ``own_limit``: tokens that the model's own
    parameters give an answer, None without them. ``thinks``: a wish to think goes on to the engine.
    """

    candidate: Candidate
    backend: Backend
    context: int | None
    keep_alive: float
    attempt: int
    response_deadline: ResponseDeadline
    after: tuple[str, str, str] | None = None
    counted: Counted | None = None
    own_limit: int | None = None
    thinks: bool = True

    @property
    def model(self) -> str:
        """The name for the engine."""
        if self.candidate.backend is None:
            return self.candidate.name
        return self.candidate.name.removeprefix(f"{self.candidate.backend}/")


class RequestFailed(Exception):
    """A request that failed; ``code`` is the wire code."""

    def __init__(self, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail or {}


OnProgress: TypeAlias = Callable[[Progress], Awaitable[None]]
Work: TypeAlias = Callable[[Assignment], Awaitable[Completion]]
