"""One request, read from top to bottom: route -> candidates -> queue -> lease -> attempt -> record.

The socket and the HTTP port take the same way; they differ in how a request is read, how progress is reported, and in
the *work* under the lease (pieces turned into deltas, or bytes passed through).
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from msgspec import to_builtins

from innkeep import wire
from innkeepd.backends.backend import Backend, BackendFault, Completion
from innkeepd.chat.deadline import ResponseDeadline
from innkeepd.chat.feedback import RoutingFeedback
from innkeepd.chat.request import Request, decision_record, without_quotations
from innkeepd.chat.target import TargetSelector
from innkeepd.chat.types import Assignment, ChatSpec, OnProgress, Progress, RequestFailed, Work
from innkeepd.config.schema import Config
from innkeepd.policy.answer_limit import is_shifted
from innkeepd.policy.error_texts import is_damaged, is_known, unquoted
from innkeepd.policy.fallback import Attempts, GrowContext, NextCandidate, RetrySame, Stop, first_token_limit
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.residency import UNLOADING
from innkeepd.residency.catalog import Candidate
from innkeepd.residency.control import ResidencyControl
from innkeepd.residency.lease import LeaseHandle, Revoked
from innkeepd.store.records import Records
from innkeepd.supervision import described

LEFT = "the request ended before its answer was whole"
SLOW_TO_FAIL = 1.0
"""An engine elsewhere that takes so many seconds to be unreachable is not tried again at once: nobody is there."""
PULLED_EVERY = 30.0
"""Seconds after which a role's model that was not pulled is looked for again."""
SAME_INSTANT = 1.0
"""Seconds that an instant may jump when it is told by the clock on the wall, which is corrected all the time."""
REPORT_EVERY = 1.0
"""Seconds between two reports of a load that goes on."""
RELOADED = 0.1
"""Seconds of ``load_duration`` above which a model that stood there was loaded anew; 1.5 to 8 ms is usual."""
ROOM_TO_ANSWER = 512
"""Tokens for the answer when a context grows for a prompt whose tokens are counted, where a context with them fits."""
REPORTED = 32
"""At most so many unknown error texts are logged in the life of a daemon."""
KEPT_MOVES = 64
"""Loads and unloads that are remembered for the records of those who wait: one waits through few of them."""
NAMED = 5
"""At most so many models are named as able."""


class Dispatcher:
    """Takes requests from their wish to their end."""

    def __init__(
        self,
        control: ResidencyControl,
        config: Config,
        backends: Mapping[str, Backend],
        history: Records,
        *,
        log: Callable[[wire.DecisionRecord], None] = lambda _record: None,
    ) -> None:
        self.control = control
        self.feedback = RoutingFeedback(history)
        self.selector = TargetSelector(control, config, self.feedback)
        self._backends = backends
        self._history = history
        self._log = log
        self._reported: set[str] = set()
        self._moves: deque[tuple[float, wire.Move]] = deque(maxlen=KEPT_MOVES)
        control.on_event.append(self._hear_move)
        self.config = config

    def configure(self, config: Config) -> None:
        """Take a new configuration."""
        self.config = config
        self.selector.configure(config)

    # ---- the journey ----

    @asynccontextmanager
    async def begin(self, spec: ChatSpec) -> AsyncIterator[Request]:
        """A request from its route to its record, whatever happens in between."""
        request = Request(spec, await self.selector.routed(spec))
        self.feedback.note(request.id, request.target.seen, chosen=spec.role is not None)
        self.control.counts["requests"] += 1
        self.control.counts["errands"] += bool(request.target.errand)
        outcome, code, message = "answered", None, None
        try:
            if spec.deadline is None:
                yield request
            else:
                with anyio.move_on_after(spec.deadline) as scope:
                    yield request
                if scope.cancelled_caught:
                    text = f"no answer within {spec.deadline:g} s"
                    raise RequestFailed(
                        "deadline_exceeded", text, {"partial": True} if request.first_token_sent else {}
                    )
        except RequestFailed as failure:
            outcome = "cancelled" if failure.code == "cancelled" else "failed"
            code, message = failure.code, failure.message
            raise
        except BaseException as error:
            cancelled = isinstance(error, anyio.get_cancelled_exc_class())
            outcome, code = ("cancelled", "cancelled") if cancelled else ("failed", "internal")
            message = None if cancelled else f"a fault of innkeepd itself: {described(error)}"
            raise
        finally:
            self._close(request, outcome, code, message)

    async def serve(self, request: Request, work: Work, tell: OnProgress) -> Completion:
        """Get a lease, do the work, fall back as the table says. Raises ``RequestFailed``."""
        attempts, spec = request.attempts, request.spec
        chain = await self._candidates(request)
        need, turn = 0, 0
        while chain:
            turn += 1
            ticket = ev.Ticket(
                f"{request.id}.{turn}",
                tuple(candidate.weights for candidate in chain),
                "batch" if request.target.errand else spec.priority,
                None if request.target.errand else spec.session,
                spec.last or spec.session is None,
                None if request.target.errand else self._patience(spec),
                need,
                spec.insist,
                bool(request.target.errand),
                self.control.backend.dialect.keeps_prompts,
            )
            async with self.control.lease(ticket, spec.client) as handle:
                grant = await self._wait(request, handle, chain, tell)
                candidate = self._chosen(request, chain, grant)
                step = await self._attempt(request, handle, candidate, grant, work)
            if step is None and request.result is not None:
                return request.result
            match step:
                case Stop(code, partial):
                    raise self._failure(request, code, partial=partial)
                case GrowContext(tokens):
                    larger = None if request.target.errand else self._larger(candidate, grant, spec, tokens)
                    if larger is not None:
                        need, chain = larger, [candidate, *(c for c in chain if c is not candidate)]
                        continue
                    step = attempts.next_candidate()
            above = step.above if isinstance(step, NextCandidate) else 0
            need = above + 1 if above else 0
            chain = _rest(chain, candidate, grant)
            self.control.counts["fallbacks"] += bool(chain)
        raise self._failure(request, None)

    async def _candidates(self, request: Request) -> list[Candidate]:
        """Names that exist. A name that is new to us may just have been pulled: look once more before it is refused."""
        catalog, spec = self.control.catalog, request.spec
        chain = request.target.candidates
        is_news = spec.model or not catalog.models or self.control.pulled.age() > PULLED_EVERY
        if is_news and any(not catalog.is_known(candidate) for candidate in chain):
            await self.control.monitor.ready.wait()
            reachable = await self.control.pulled.refresh()
            chain = tuple(dict.fromkeys(catalog.candidate(candidate.name) for candidate in chain))
            if not reachable and not any(catalog.is_known(candidate) for candidate in chain):
                fault = self.control.monitor.observation.fault if self.control.monitor.observation else None
                text = f"Ollama at {self.control.backend.url} does not list its models"
                raise RequestFailed("backend_unreachable", fault or text)
        for candidate in chain:
            if not catalog.is_known(candidate):
                code = "unknown_model" if spec.model else "model_missing"
                text = catalog.how_to_get(candidate)
                request.attempts.passed_over(candidate.name, code, text)
        known = [candidate for candidate in chain if catalog.is_known(candidate)]
        able = self._able(request, known)
        self.control.learn_of(able)
        return able

    def _able(self, request: Request, known: list[Candidate]) -> list[Candidate]:
        """Those that have the capabilities the request needs; the others are passed over before anything is loaded.

        An engine elsewhere is believed to have them. Where the model is ours to choose, thinking is a wish, not a need:
        it is left out for a candidate that cannot (``Assignment.thinks``), so that no role skips its primary for it.
        """
        find, needs = self.control.catalog.find, set(request.spec.demand.needs)
        if request.is_ours_to_choose:
            needs.discard("thinking")
        if request.spec.kind == "embed" and not self.control.backend.dialect.embeds_any:
            needs.add("embedding")
        able = []
        for candidate in known:
            model = find(candidate.name)
            if candidate.engine is not None or model is None or model.can(needs):
                able.append(candidate)
                continue
            lacking = ", ".join(sorted(needs - model.capabilities))
            text = f"{candidate.name} does not support {lacking}{self._who_can(needs)}"
            request.attempts.passed_over(candidate.name, "unsupported", text)
        return able

    def _thinks(self, request: Request, candidate: Candidate) -> bool:
        """Whether a wish to think goes on to this candidate; where it does not, the record says so."""
        model = self.control.catalog.find(candidate.name)
        is_named = not request.is_ours_to_choose
        if is_named or candidate.engine is not None or model is None or model.can({"thinking"}):
            return True
        text = f"{candidate.name} cannot think: thinking was left out"
        if "thinking" in request.spec.demand.needs and text not in request.warnings:
            request.warnings.append(text)
        return False

    def _who_can(self, needs: set[str]) -> str:
        """Names of pulled models that have these capabilities, as the end of a sentence."""
        names = sorted(n for n, model in self.control.catalog.models.items() if model.capabilities and model.can(needs))
        return f"; models that do: {', '.join(names[:NAMED])}" if names else ", and no pulled model does"

    async def _wait(self, request: Request, handle: LeaseHandle, chain: list[Candidate], tell: OnProgress) -> ev.Grant:
        """Wait in the queue and report it. Raises ``RequestFailed`` where the scheduler refuses."""
        reported: Progress | None = None
        began = anyio.current_time()
        while handle.settled is None:
            news = self.outlook(handle)
            if news.kind == "loading":
                request.evicted += [name for name in news.unloading if name not in request.evicted]
            if reported is None or _is_news(reported, news):
                await tell(news)
                reported = news
                request.waited_for(news.reason)
            before = anyio.current_time()
            await handle.change()
            if reported.kind == "loading":  # of the time in the queue only the swap itself counts as one
                request.swap += anyio.current_time() - before
        now = anyio.current_time()
        request.queued += now - began
        if isinstance(handle.settled, ev.Grant):
            names = {*request.evicted, self.control.name_of(handle.settled.weights)}
            request.moves += [move for at, move in self._moves if at >= began and move.model in names]
        passed = handle.settled.passed
        for entry in passed:
            name = next((c.name for c in chain if c.weights == entry.weights), entry.weights)
            request.attempts.passed_over(name, entry.code, entry.message)
        if isinstance(handle.settled, ev.Refuse):
            raise self._failure(request, handle.settled.code, message=handle.settled.message)
        return handle.settled

    def _hear_move(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Keep what went out and in, for the records of those who waited for it."""
        if kind == "residency" and what in ("unloaded", "loaded"):
            move = wire.Move(str(data.get("model")), what, float(data.get("took") or 0.0))
            self._moves.append((anyio.current_time(), move))

    def _chosen(self, request: Request, chain: list[Candidate], grant: ev.Grant) -> Candidate:
        candidate = next(each for each in chain if each.weights == grant.weights)
        if candidate is not chain[0] or grant.passed:
            self.control.counts["fallbacks"] += 1
        request.model = candidate.name
        return candidate

    async def _attempt(
        self, request: Request, handle: LeaseHandle, candidate: Candidate, grant: ev.Grant, work: Work
    ) -> NextCandidate | GrowContext | Stop | None:
        """One candidate's turn, with its quick retries; None where it answered."""
        remote = candidate.engine is not None
        here = self.control.backend.cloud() if candidate.host else self.control.backend
        number = 0
        while True:
            number += 1
            lease = Assignment(
                candidate,
                self._backends[candidate.backend] if candidate.backend else here,
                None if remote else grant.context,
                self.control.keep_alive(),
                sum(each.outcome == "failed" for each in request.attempts.tried) + 1,
                self._response_deadline(request, candidate),
                _after(request.attempts),
                own_limit=self._own_limit(candidate),
                thinks=self._thinks(request, candidate),
            )
            began = anyio.current_time()
            is_first = not remote and self.control.catalog.estimates.is_first_prompt(candidate.weights)
            try:
                request.result = await self._worked(request, handle, lease, work)
            except Revoked as revoked:
                request.attempts.failed(
                    candidate.name, "cancelled", revoked.message, first_token_sent=request.first_token_sent
                )
                raise RequestFailed(
                    revoked.code, revoked.message, {"partial": True} if request.first_token_sent else {}
                ) from None
            except RequestFailed as failure:  # the client's own doing: it has stopped reading
                seconds = anyio.current_time() - began
                first_token_sent = request.first_token_sent
                request.attempts.failed(
                    candidate.name, failure.code, failure.message, first_token_sent=first_token_sent, seconds=seconds
                )
                raise
            except anyio.get_cancelled_exc_class():
                seconds = anyio.current_time() - began
                request.attempts.failed(
                    candidate.name, "cancelled", LEFT, first_token_sent=request.first_token_sent, seconds=seconds
                )
                raise
            except BackendFault as fault:
                step = self._failed(request, candidate, grant, fault, anyio.current_time() - began)
                if isinstance(step, RetrySame):
                    await anyio.sleep(step.delay)
                    continue
                return step
            self._answered(request, candidate, grant, anyio.current_time() - began, is_first=is_first)
            return None

    def _own_limit(self, candidate: Candidate) -> int | None:
        """Tokens that a local model's own parameters give an answer."""
        model = None if candidate.engine is not None else self.control.catalog.find(candidate.name)
        return (model.answer_limit or None) if model is not None else None

    async def _worked(self, request: Request, handle: LeaseHandle, lease: Assignment, work: Work) -> Completion:
        """The work under the lease. Raises ``BackendFault``, where it is late too; ``Revoked`` where taken back."""
        response_deadline = lease.response_deadline
        handle.works_in(response_deadline.scope)
        try:
            with response_deadline.scope:
                return await work(lease)
        finally:
            request.first_token = response_deadline.first_token
            request.first_token_sent = request.first_token_sent or response_deadline.first_token is not None
        if handle.revoked is not None:
            raise handle.revoked
        raise response_deadline.fault(lease.candidate.name)

    def _failed(
        self, request: Request, candidate: Candidate, grant: ev.Grant, fault: BackendFault, seconds: float
    ) -> NextCandidate | RetrySame | GrowContext | Stop:
        again = candidate.backend is None or seconds < SLOW_TO_FAIL
        code = self._code(candidate, fault)
        step = request.attempts.failed(
            candidate.name,
            code,
            fault.message,
            first_token_sent=request.first_token_sent,
            seconds=seconds,
            context=grant.context,
            again=again,
        )
        if candidate.backend is None:
            self.control.monitor.watch.hurry()
            if code == "out_of_memory":
                self.control.distrust(candidate.weights)
        is_away = candidate.host and code == "backend_unreachable"  # this machine's Ollama, not the host beyond
        if (
            candidate.engine is not None
            and not is_away
            and not request.first_token_sent
            and not isinstance(step, RetrySame)
        ):
            # In mid-answer one replica may have died: if the others did too, the next request finds out in time.
            # Other requests are told why this model rests: nothing that was quoted from this one.
            self.control.judge(candidate, code, without_quotations(fault.message, candidate.name))
        return step

    def _code(self, candidate: Candidate, fault: BackendFault) -> str:
        """The fault's code, corrected by what the catalogue knows; a text that the table lacks is reported once."""
        model = self.control.catalog.find(candidate.name)
        chats = model is not None and "completion" in model.capabilities
        if candidate.engine is None and chats and is_damaged(fault.message):
            return "load_failed"
        if candidate.engine is None and fault.code == "backend_error" and not is_known(fault.status, fault.message):
            self._report(unquoted(fault.message))
        return fault.code

    def _report(self, words: str) -> None:
        if words not in self._reported and len(self._reported) < REPORTED:
            self._reported.add(words)
            data = {"text": words, "ollama": seen.version if (seen := self.control.monitor.observation) else None}
            self.control.tell("log", "unknown error text of Ollama, please report it", data)

    def _answered(
        self, request: Request, candidate: Candidate, grant: ev.Grant, seconds: float, *, is_first: bool
    ) -> None:
        request.attempts.answered(candidate.name, seconds)
        if candidate.engine is not None and request.spec.kind != "load":
            self.control.judge(candidate)
        result = request.result
        if result is None or request.spec.kind != "chat":
            return
        if candidate.engine is None:
            self._check(request, candidate, grant, result)
            if request.first_token is not None:
                ended = self.control.now()
                granted = ended - seconds
                self.control.learn_overlap(candidate.weights, granted, granted + request.first_token, ended)
            self.control.catalog.estimates.learned_prefill(
                candidate.weights, result.prompt_tokens, result.prefill_seconds, is_first=is_first
            )
        figures = {"service": seconds}
        if result.decode_seconds > 0 and result.completion_tokens > 1:
            figures["decode"] = result.completion_tokens / result.decode_seconds
        self.control.learned_answer(candidate.weights, **figures)

    def _check(self, request: Request, candidate: Candidate, grant: ev.Grant, result: Completion) -> None:
        """Notice what Ollama does not tell: a reload, a shifted context. Each is named once a model and door."""
        if result.load_seconds > RELOADED:
            self.control.counts["reloads"] += 1
            self._warn(request, candidate, f"Ollama reloaded the model for this request ({result.load_seconds:.1f} s)")
        if is_shifted(grant.context, result.prompt_tokens, result.completion_tokens):
            both = result.prompt_tokens + result.completion_tokens
            text = f"prompt and answer have {both} tokens, the context {grant.context}: Ollama left out its beginning"
            self._warn(request, candidate, text)

    def _warn(self, request: Request, candidate: Candidate, text: str) -> None:
        request.warnings.append(text)
        door = request.spec.door
        kind = f"{candidate.name} {door} {text[:20]}"
        if kind not in self._reported and len(self._reported) < REPORTED:
            self._reported.add(kind)
            data = {"model": candidate.name, "door": door, "request": request.id, "text": text}
            self.control.tell("log", "Ollama did what was not asked for", data)

    # ---- looks ----

    def outlook(self, handle: LeaseHandle) -> Progress:
        """What a waiting request waits for, now."""
        control, ledger = self.control, self.control.scheduler.ledger
        look = control.scheduler.outlook(handle.ticket.id, control.now())
        model = control.name_of(look.weights)
        moving = ledger.residents.get(look.weights)
        leaving = tuple(
            control.name_of(r.weights)
            for r in ledger.residents.values()
            if (r.wanted_by == look.weights and not r.is_resident) or (r is moving and r.state == UNLOADING)
        )
        if leaving or (moving is not None and not moving.is_resident):
            since = control.scheduler.state.swapping_since(look.weights)
            elapsed = control.now() - since if since is not None else 0.0
            whole = self._swap_seconds(look.weights, leaving)
            return Progress("loading", model, unloading=leaving, elapsed=elapsed, expected=whole)
        until = None if look.until is None else control.wall(look.until)
        refused_at = None if look.refused_at is None else control.wall(look.refused_at)
        resident = tuple(control.name_of(weights) for weights in look.resident)
        return Progress(
            "waiting",
            model,
            resident,
            look.position,
            look.ahead,
            look.expected,
            look.reason,
            until,
            answering=tuple(control.name_of(weights) for weights in look.answering),
            why=look.why,
            refused_at=refused_at,
        )

    def _swap_seconds(self, weights: str, leaving: tuple[str, ...]) -> float | None:
        """Seconds that the whole swap is expected to take, from its beginning; None until its load is learned."""
        specs, control = self.control.scheduler.ledger.specs, self.control
        weighed = specs.get(weights)
        if weighed is None or weighed.load_s is None:
            return None
        gone = [specs.get(control.weights_of(name)) for name in leaving]
        return weighed.load_s + sum(one.unload_s or 0.0 for one in gone if one is not None)

    def _patience(self, spec: ChatSpec) -> float | None:
        return spec.patience if spec.patience is not None else getattr(self.config.schedule.patience, spec.priority)

    def _response_deadline(self, request: Request, candidate: Candidate) -> ResponseDeadline:
        timeouts = self.config.timeouts
        if candidate.backend is not None:
            said = next(b for b in self.config.backends if b.name == candidate.backend)
            return ResponseDeadline(said.timeouts.first_token, said.timeouts.stall)
        speed = self.control.catalog.estimates.prefill(candidate.weights)
        tokens = request.spec.demand.tokens
        first = (
            first_token_limit(timeouts.first_token, tokens, speed)
            if speed
            else first_token_limit(timeouts.first_token, tokens)
        )
        return ResponseDeadline(first, timeouts.stall)

    def _larger(self, candidate: Candidate, grant: ev.Grant, spec: ChatSpec, counted: int) -> int | None:
        """The context to reload at; ``counted``: exact tokens of the prompt, 0 where only their estimate is known."""
        if candidate.engine is not None:
            return None
        wanted = counted + ROOM_TO_ANSWER if counted else spec.demand.tokens
        larger = self.control.catalog.larger_context(candidate.weights, grant.context, wanted)
        return larger if larger is not None and larger > counted else None

    def _failure(
        self, request: Request, code: str | None, *, message: str | None = None, partial: bool = False
    ) -> RequestFailed:
        verdict = request.attempts.verdict()
        detail = dict(verdict.detail)
        if partial:
            detail["partial"] = True
        return RequestFailed(code or verdict.code, message or verdict.message, detail)

    # ---- the end ----

    async def recorded(self) -> str | None:
        """Wait until the records of ended requests survive a kill of this process; a sentence where they do not."""
        if await self._history.recorded():
            return None
        return f"the decision record would not survive a restart: {self._history.degraded or 'the disk is slow'}"

    def _close(self, request: Request, outcome: str, code: str | None, message: str | None) -> None:
        record = decision_record(request, outcome, code, message)
        self._history.record(record)
        self._log(record)
        self.control.tell("request", outcome, to_builtins(record))


def _after(attempts: Attempts) -> tuple[str, str, str] | None:
    last = attempts.last_failure
    return (last.model, last.code or "", last.message or "") if last else None


def _rest(chain: list[Candidate], failed: Candidate, grant: ev.Grant) -> list[Candidate]:
    """What is left to try: all behind the one that failed, and better ones that were only too slow to wait for."""
    waited_for = {entry.weights for entry in grant.passed if entry.code == "patience"}
    behind = chain[chain.index(failed) + 1 :]
    return [candidate for candidate in chain if candidate in behind or candidate.weights in waited_for]


def _is_news(reported: Progress, news: Progress) -> bool:
    """A load is reported once a second, waiting at every change; a countdown alone is no change."""
    if news.kind == "loading":
        return (
            reported.kind != "loading"
            or reported.unloading != news.unloading
            or news.elapsed - reported.elapsed >= REPORT_EVERY * 0.9
        )
    if abs((reported.until or 0.0) - (news.until or 0.0)) >= SAME_INSTANT:
        return True
    return (
        reported.kind,
        reported.model,
        reported.position,
        reported.ahead,
        reported.resident,
        reported.reason,
    ) != (
        news.kind,
        news.model,
        news.position,
        news.ahead,
        news.resident,
        news.reason,
    )
