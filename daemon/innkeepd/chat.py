"""The journey of one request, read from top to bottom: route -> candidates -> line -> lease -> attempt -> record.

The socket and the HTTP port take the same journey; what differs is how a wish comes in, how progress is told, and what
*work* is done under the lease (pieces turned into deltas, or bytes passed through).
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from secrets import token_hex
from time import time as epoch
from typing import Any, Protocol, TypeAlias

import anyio
from msgspec import Struct

from innkeepd.catalog import Candidate
from innkeepd.config import Config
from innkeepd.keeper import Keeper, Place, Revoked
from innkeepd.outbound.backend import Backend, BackendFault
from innkeepd.policy import events as ev
from innkeepd.policy.admission import obstacle
from innkeepd.policy.attempt import (
    Attempts,
    GrowContext,
    NextCandidate,
    RetrySame,
    Stop,
    first_token_limit,
)
from innkeepd.policy.route import Route, Router
from innkeepd.ticks import ticks

LEFT = "the request ended before its answer was whole"
SESSIONS = 256
"""How many sessions' roles are remembered, so that "and now in Rust" stays with the coder."""
SLOW_TO_FAIL = 1.0
"""An engine elsewhere that takes so many seconds to be unreachable is not tried again at once: nobody is there."""
PULLED_EVERY = 30.0
"""Seconds after which a role's model that was not pulled is looked for again."""
TOLD_EVERY = 1.0
"""Seconds between two words to whoever waits."""


class Wish(Struct, frozen=True, kw_only=True):
    """What a client wants, whoever the client is. Seconds; ``turns`` are the user's texts, oldest first.

    ``prompt`` is everything the model will read, to judge how long a first token may take. ``needs`` are capabilities.
    """

    kind: str = "chat"
    turns: tuple[str, ...] = ()
    prompt_tokens: int = 0
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
    needs: frozenset[str] = frozenset()


class Direction(Struct, frozen=True):
    """Where a wish goes: candidates best first, and why."""

    role: str
    confidence: float
    reason: str
    candidates: tuple[Candidate, ...]


class Told(Struct, frozen=True):
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


class Lease(Struct):
    """What the work gets: the model, the engine that runs it, the context and keep-alive that are ours to set."""

    candidate: Candidate
    backend: Backend
    context: int | None
    keep_alive: float
    attempt: int
    pace: "Pace"
    after: tuple[str, str, str] | None = None

    @property
    def model(self) -> str:
        """The name for the engine."""
        if self.candidate.backend is None:
            return self.candidate.name
        return self.candidate.name.removeprefix(f"{self.candidate.backend}/")


class Result(Struct):
    """What the work found out about an answer: tokens, seconds, the engine's word for its end."""

    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0


class Failure(Exception):
    """A request that failed; ``code`` is the wire code."""

    def __init__(self, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail or {}


class Pace:
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


Tell: TypeAlias = Callable[[Told], Awaitable[None]]
Work: TypeAlias = Callable[[Lease], Awaitable[Result]]


class Records(Protocol):
    """Where decision records go."""

    def record(self, record: dict[str, Any], /) -> None:
        """Keep one; never waits, never raises."""
        ...


class Request:
    """One request on its way; ``id`` names its decision record."""

    def __init__(self, wish: Wish, direction: Direction) -> None:
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
        self.result: Result | None = None
        self.told = False
        self.evicted: list[str] = []
        self.waits: list[str] = []

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


class Journey:
    """Takes requests from their wish to their end."""

    def __init__(
        self,
        keeper: Keeper,
        config: Config,
        backends: Mapping[str, Backend],
        history: Records,
        *,
        log: Callable[[dict[str, Any]], None] = lambda _line: None,
    ) -> None:
        self.keeper = keeper
        self.selected: str | None = None
        self.selected_roles: dict[str, str] = {}
        self._backends = backends
        self._history = history
        self._log = log
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Take a new configuration."""
        self.config = config
        keywords = {name: role.keywords for name, role in config.roles.items()}
        self._router = Router(keywords, config.routing.ignore, sticky=config.routing.sticky)

    # ---- route ----

    def route(self, wish: Wish, *, remember: bool = True) -> Direction:
        """Where a wish goes; names are looked up later. ``remember`` its role for the next turn of its session."""
        if wish.model is not None:
            names = (wish.model, *wish.fallbacks)
            return self._direct(wish.role or self._role_of(wish.model), 1.0, "the request names the model", names)
        if wish.role is not None:
            return self._direct(wish.role, 1.0, "the request names the role", self.chain(wish.role))
        found = self._judge(wish, remember=remember)
        if self.selected is not None:
            reason = f"{self.selected} is selected; {found.role} otherwise ({found.reason})"
            return self._direct(found.role, 1.0, reason, (self.selected, *self.chain(found.role)))
        return self._direct(found.role, found.confidence, found.reason, self.chain(found.role))

    def select(self, model: str | None, role: str | None = None) -> None:
        """What every chat that names no model goes to, or one role's primary; None: automatic again."""
        if role is None:
            self.selected = model
        elif model is None:
            self.selected_roles.pop(role, None)
        else:
            self.selected_roles[role] = model

    def would_take(self, way: Direction) -> str:
        """The candidate that a request would get now: the first that is pulled and can fit."""
        house = self.keeper.scheduler.house
        for candidate in way.candidates:
            cooling = self.keeper.scheduler.cooling.get(candidate.weights)
            known = self.keeper.catalog.is_known(candidate)
            if known and obstacle(house, candidate.weights, 0, cooling, self.keeper.now()) is None:
                return candidate.name
        return way.candidates[0].name

    def chain(self, role: str) -> tuple[str, ...]:
        """The role's candidates, what the user selected for it first."""
        chosen = self.selected_roles.get(role)
        configured = self.config.roles[role].chain
        return (chosen, *configured) if chosen else configured

    def _judge(self, wish: Wish, *, remember: bool) -> Route:
        previous = self._sessions.get(wish.session) if wish.session else None
        found = self._router.route(wish.turns, previous=previous)
        if wish.session and remember:
            self._sessions[wish.session] = found.role
            self._sessions.move_to_end(wish.session)
            if len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        return found

    def _role_of(self, model: str) -> str:
        name = self.keeper.catalog.candidate(model).name
        return next((role for role, said in self.config.roles.items() if said.primary == name), "general")

    def _direct(self, role: str, confidence: float, reason: str, names: tuple[str, ...]) -> Direction:
        candidates = dict.fromkeys(self.keeper.catalog.candidate(name) for name in names)
        return Direction(role, confidence, reason, tuple(candidates))

    # ---- the journey ----

    @asynccontextmanager
    async def begin(self, wish: Wish) -> AsyncIterator[Request]:
        """A request from its route to its record, whatever happens in between."""
        request = Request(wish, self.route(wish))
        self.keeper.counts.requests += 1
        outcome, code, message = "answered", None, None
        try:
            if wish.deadline is None:
                yield request
            else:
                with anyio.move_on_after(wish.deadline) as scope:
                    yield request
                if scope.cancelled_caught:
                    text = f"no answer within {wish.deadline:g} s"
                    raise Failure("deadline_exceeded", text, {"partial": True} if request.told else {})
        except Failure as failure:
            outcome, code, message = "failed", failure.code, failure.message
            raise
        except BaseException as error:
            cancelled = isinstance(error, anyio.get_cancelled_exc_class())
            outcome, code = ("cancelled", "cancelled") if cancelled else ("failed", "internal")
            message = None if cancelled else repr(error)
            raise
        finally:
            self._close(request, outcome, code, message)

    async def serve(self, request: Request, work: Work, tell: Tell) -> Result:
        """Get a lease, do the work, fall back as the table says. Raises ``Failure``."""
        attempts, wish = request.attempts, request.wish
        chain = await self._candidates(request)
        need, turn = 0, 0
        while chain:
            turn += 1
            ticket = ev.Ticket(
                f"{request.id}.{turn}",
                tuple(candidate.weights for candidate in chain),
                wish.priority,
                wish.session,
                wish.last or wish.session is None,
                self._patience(wish),
                need,
                wish.insist,
            )
            async with self.keeper.line(ticket) as place:
                grant = await self._wait(request, place, chain, tell)
                candidate = self._chosen(request, chain, grant)
                step = await self._attempt(request, place, candidate, grant, work)
            if step is None and request.result is not None:
                return request.result
            match step:
                case Stop(code, partial):
                    raise self._failure(request, code, partial=partial)
                case GrowContext():
                    larger = self._larger(candidate, grant, wish)
                    if larger is not None:
                        need, chain = larger, [candidate, *(c for c in chain if c is not candidate)]
                        continue
                    step = attempts.next_candidate()
            above = step.above if isinstance(step, NextCandidate) else 0
            need = above + 1 if above else 0
            chain = _rest(chain, candidate, grant)
            self.keeper.counts.fallbacks += bool(chain)
        raise self._failure(request, None)

    async def _candidates(self, request: Request) -> list[Candidate]:
        """Names that exist. A name that is new to us may just have been pulled: look once more before it is refused."""
        catalog, wish = self.keeper.catalog, request.wish
        chain = request.direction.candidates
        is_news = wish.model or not catalog.models or self.keeper.knows_for() > PULLED_EVERY
        if is_news and any(not catalog.is_known(candidate) for candidate in chain):
            await self.keeper.ready.wait()
            reachable = await self.keeper.refresh()
            chain = tuple(dict.fromkeys(catalog.candidate(candidate.name) for candidate in chain))
            if not reachable and not any(catalog.is_known(candidate) for candidate in chain):
                fault = self.keeper.observation.fault if self.keeper.observation else None
                text = f"Ollama at {self.keeper.backend.url} does not tell what is pulled"
                raise Failure("backend_unreachable", fault or text)
        for candidate in chain:
            if not catalog.is_known(candidate):
                code = "unknown_model" if wish.model else "model_missing"
                text = catalog.how_to_get(candidate)
                request.attempts.passed_over(candidate.name, code, text)
        known = [candidate for candidate in chain if catalog.is_known(candidate)]
        able = [candidate for candidate in known if self._is_able(candidate, wish.needs)]
        for candidate in known:
            if able and candidate not in able:
                text = f"{candidate.name} does not support {', '.join(sorted(wish.needs))}"
                request.attempts.passed_over(candidate.name, "unsupported", text)
        self.keeper.learn_of(able or known)
        return able or known

    def _is_able(self, candidate: Candidate, needs: frozenset[str]) -> bool:
        """Whether it says that it can do what is needed; an engine elsewhere is believed to."""
        model = self.keeper.catalog.find(candidate.name)
        return candidate.backend is not None or model is None or needs <= model.capabilities

    async def _wait(self, request: Request, place: Place, chain: list[Candidate], tell: Tell) -> ev.Grant:
        """Stand in line and tell about it. Raises ``Failure`` where the scheduler refuses."""
        told: Told | None = None
        began = anyio.current_time()
        swapping: float | None = None
        while place.settled is None:
            news = self.outlook(place)
            if swapping is None and news.kind == "loading":
                swapping = anyio.current_time()
                request.evicted += [name for name in news.unloading if name not in request.evicted]
            if told is None or _is_news(told, news):
                await tell(news)
                told = news
                if news.reason and news.reason not in request.waits:
                    request.waits.append(news.reason)
            await place.change(within=TOLD_EVERY)
        now = anyio.current_time()
        request.queued += now - began
        request.swap += now - swapping if swapping is not None else 0.0
        passed = place.settled.passed
        for entry in passed:
            name = next((c.name for c in chain if c.weights == entry.weights), entry.weights)
            request.attempts.passed_over(name, entry.code, entry.message)
        if isinstance(place.settled, ev.Refuse):
            raise self._failure(request, place.settled.code, message=place.settled.message)
        return place.settled

    def _chosen(self, request: Request, chain: list[Candidate], grant: ev.Grant) -> Candidate:
        candidate = next(each for each in chain if each.weights == grant.weights)
        if candidate is not chain[0] or grant.passed:
            self.keeper.counts.fallbacks += 1
        request.model = candidate.name
        return candidate

    async def _attempt(
        self, request: Request, place: Place, candidate: Candidate, grant: ev.Grant, work: Work
    ) -> NextCandidate | GrowContext | Stop | None:
        """One candidate's turn, with its quick retries; None where it answered."""
        remote = candidate.backend is not None
        number = 0
        while True:
            number += 1
            lease = Lease(
                candidate,
                self._backends[candidate.backend] if candidate.backend else self.keeper.backend,
                None if remote else grant.context,
                self.keeper.keep_alive(),
                sum(each.outcome == "failed" for each in request.attempts.tried) + 1,
                self._pace(request, candidate),
                _after(request.attempts),
            )
            began = anyio.current_time()
            try:
                request.result = await self._worked(request, place, lease, work)
            except Revoked as revoked:
                request.attempts.failed(candidate.name, "cancelled", revoked.message, told=request.told)
                raise Failure(revoked.code, revoked.message, {"partial": True} if request.told else {}) from None
            except anyio.get_cancelled_exc_class():
                seconds = anyio.current_time() - began
                request.attempts.failed(candidate.name, "cancelled", LEFT, told=request.told, seconds=seconds)
                raise
            except BackendFault as fault:
                step = self._failed(request, candidate, grant, fault, anyio.current_time() - began)
                if isinstance(step, RetrySame):
                    await anyio.sleep(step.delay)
                    continue
                return step
            self._answered(request, candidate, anyio.current_time() - began)
            return None

    async def _worked(self, request: Request, place: Place, lease: Lease, work: Work) -> Result:
        """The work under the lease. Raises ``BackendFault``, where it is late too; ``Revoked`` where taken back."""
        pace = lease.pace
        place.works_in(pace.scope)
        try:
            with pace.scope:
                return await work(lease)
        finally:
            request.first_token = pace.first_token
            request.told = request.told or pace.first_token is not None
        if place.revoked is not None:
            raise place.revoked
        raise pace.fault(lease.candidate.name)

    def _failed(
        self, request: Request, candidate: Candidate, grant: ev.Grant, fault: BackendFault, seconds: float
    ) -> NextCandidate | RetrySame | GrowContext | Stop:
        again = candidate.backend is None or seconds < SLOW_TO_FAIL
        step = request.attempts.failed(
            candidate.name,
            fault.code,
            fault.message,
            told=request.told,
            seconds=seconds,
            context=grant.context,
            again=again,
        )
        if candidate.backend is None:
            self.keeper.watch.hurry()
        elif not request.told and not isinstance(step, RetrySame):
            # In mid-answer one replica may have died: if the others did too, the next request finds out in time.
            self.keeper.judge(candidate, fault.code, fault.message)
        return step

    def _answered(self, request: Request, candidate: Candidate, seconds: float) -> None:
        request.attempts.answered(candidate.name, seconds)
        if candidate.backend is not None and request.wish.kind != "load":
            self.keeper.judge(candidate)
        result = request.result
        if result is None or request.wish.kind != "chat":
            return
        figures = {"service": seconds}
        if result.decode_seconds > 0 and result.completion_tokens > 1:
            figures["decode"] = result.completion_tokens / result.decode_seconds
        if result.prefill_seconds > 0 and result.prompt_tokens > 0:
            figures["prefill"] = result.prompt_tokens / result.prefill_seconds
        self.keeper.learned_answer(candidate.weights, **figures)

    # ---- looks ----

    def outlook(self, place: Place) -> Told:
        """What a waiting request waits for, now."""
        keeper, house = self.keeper, self.keeper.scheduler.house
        look = keeper.scheduler.outlook(place.ticket.id, keeper.now())
        model = keeper.name_of(look.weights)
        moving = house.residents.get(look.weights)
        leaving = tuple(
            keeper.name_of(r.weights)
            for r in house.residents.values()
            if r.wanted_by == look.weights and not r.is_resident
        )
        if leaving or (moving is not None and not moving.is_resident):
            since = keeper.swapping_since(look.weights)
            elapsed = keeper.now() - since if since is not None else 0.0
            whole = None if look.expected is None else elapsed + look.expected
            return Told("loading", model, unloading=leaving, elapsed=elapsed, expected=whole)
        until = None if look.until is None else keeper.wall(look.until)
        resident = tuple(keeper.name_of(weights) for weights in look.resident)
        return Told("waiting", model, resident, look.position, look.ahead, look.expected, look.reason, until)

    def _patience(self, wish: Wish) -> float | None:
        return wish.patience if wish.patience is not None else getattr(self.config.schedule.patience, wish.priority)

    def _pace(self, request: Request, candidate: Candidate) -> Pace:
        timeouts = self.config.timeouts
        if candidate.backend is not None:
            said = next(b for b in self.config.backends if b.name == candidate.backend)
            return Pace(said.timeouts.first_token, said.timeouts.stall)
        speed = self.keeper.catalog.estimates.prefill(candidate.weights)
        tokens = request.wish.prompt_tokens
        first = (
            first_token_limit(timeouts.first_token, tokens, speed)
            if speed
            else first_token_limit(timeouts.first_token, tokens)
        )
        return Pace(first, timeouts.stall)

    def _larger(self, candidate: Candidate, grant: ev.Grant, wish: Wish) -> int | None:
        if candidate.backend is not None:
            return None
        return self.keeper.catalog.larger_context(candidate.weights, grant.context, wish.prompt_tokens)

    def _failure(
        self, request: Request, code: str | None, *, message: str | None = None, partial: bool = False
    ) -> Failure:
        verdict = request.attempts.verdict()
        detail = dict(verdict.detail)
        if partial:
            detail["partial"] = True
        return Failure(code or verdict.code, message or verdict.message, detail)

    # ---- the end ----

    def _close(self, request: Request, outcome: str, code: str | None, message: str | None) -> None:
        wish, way, result = request.wish, request.direction, request.result or Result()
        timings = {
            "queued": round(request.queued, 4),
            "swap": round(request.swap, 4),
            "first_token": None if request.first_token is None else round(request.first_token, 4),
            "total": round(request.total, 4),
            "tokens_per_second": None if (speed := request.tokens_per_second) is None else round(speed, 2),
        }
        record: dict[str, Any] = {
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
        }
        self._history.record(record)
        self._log(record)
        self.keeper.tell("request", outcome, record)


def _after(attempts: Attempts) -> tuple[str, str, str] | None:
    last = attempts.last_failure
    return (last.model, last.code or "", last.message or "") if last else None


def _rest(chain: list[Candidate], failed: Candidate, grant: ev.Grant) -> list[Candidate]:
    """What is left to try: all behind the one that failed, and better ones that were only too slow to wait for."""
    waited_for = {entry.weights for entry in grant.passed if entry.code == "patience"}
    behind = chain[chain.index(failed) + 1 :]
    return [candidate for candidate in chain if candidate in behind or candidate.weights in waited_for]


def _is_news(told: Told, news: Told) -> bool:
    """A load is told about once a second, waiting on every change; a countdown alone is no change."""
    if news.kind == "loading":
        return (
            told.kind != "loading"
            or told.unloading != news.unloading
            or news.elapsed - told.elapsed >= TOLD_EVERY * 0.9
        )
    return (told.kind, told.model, told.position, told.ahead, told.resident, told.reason, told.until) != (
        news.kind,
        news.model,
        news.position,
        news.ahead,
        news.resident,
        news.reason,
        news.until,
    )
