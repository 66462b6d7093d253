"""One request that runs a model: held while it waits, then the engine's answer passed on under the lease.

Until the first byte of an answer nothing is decided: the request may still go to another candidate. A client that
streams is told meanwhile, every ten seconds, that somebody is there; after that a failure can only be told in-band.
"""

from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import anyio
import msgspec

from innkeepd.backends.backend import Answer, BackendFault, Completion
from innkeepd.backends.ollama_wire import error_text
from innkeepd.chat.dispatch import RELOADED, Dispatcher
from innkeepd.chat.request import Request
from innkeepd.chat.sink import deliver
from innkeepd.chat.types import Assignment, Progress, RequestFailed
from innkeepd.machine.offload import SMALL, off_loop
from innkeepd.policy.client_habits import gives_up_on_silence, heartbeat
from innkeepd.policy.error_texts import classify
from innkeepd.policy.model import without_derived
from innkeepd.policy.overflow import CODE, overflow_text
from innkeepd.server.http.context_alias import ContextAliases
from innkeepd.server.http.context_check import answer_limit
from innkeepd.server.http.errors import HttpFault, error_record, fault_of
from innkeepd.server.http.request import ModelRequest
from innkeepd.server.http.response import Response
from innkeepd.server.http.stream import Errors, Renamed, Scanner

HEARTBEAT = 10.0
"""Seconds between two signs of life to a client that streams and has no answer yet."""
SILENCE = 200.0
"""Seconds after which a client of Node's that does not stream gets the head and a blank, which JSON allows in front.

Its ``fetch`` gives up after 300 s without a head. A failure after that has no status; the connection is cut instead."""
SLOWEST = 4.0
"""Tokens a second that a whole answer is given time for, until its model's own speed has been learned."""

RENEW_WITHIN = 10.0
"""Seconds for the engine to take a keep-alive for a model that it has in memory."""
ELSEWHERE = 4096
"""Tokens of a whole answer that an engine elsewhere is given time for; its context is not known."""

BROKE_OFF = "the answer broke off: Ollama closed it without its last record"

LONG = 86400.0
"""Seconds of a keep-alive that are as good as for ever."""

_ENCODE = msgspec.json.Encoder().encode
_SENT = {"content-type": "application/json"}
_STREAM_TYPES = {"native": b"application/x-ndjson"}


class Proxy:
    """A request on its way through. ``request`` is set by whoever begins its journey."""

    def __init__(
        self,
        asked: ModelRequest,
        response: Response,
        dispatcher: Dispatcher,
        aliases: ContextAliases,
        *,
        agent: str = "",
    ) -> None:
        self.request: Request | None = None
        self._asked = asked
        self._response = response
        self._dispatcher = dispatcher
        self._aliases = aliases
        self._news = ""
        self._held = anyio.CancelScope()
        self._ended = False
        self._context = 0
        self._agent = agent

    def __repr__(self) -> str:
        return f"<Passing {self._asked.endpoint.path} {self._asked.name}>"

    # ---- while it waits ----

    async def tell(self, progress: Progress) -> None:
        """What the next heartbeat may say."""
        self._news = f"{progress.model} is loading" if progress.kind == "loading" else f"waiting for {progress.model}"

    @property
    def is_held(self) -> bool:
        """Whether the client hears of us before the answer: it streams, or its library gives up on silence."""
        return self._asked.stream or (self._asked.endpoint.kind == "chat" and gives_up_on_silence(self._agent))

    async def hold(self) -> None:
        """Give signs of life until the first byte of an answer."""
        with self._held:
            while True:
                await anyio.sleep(HEARTBEAT if self._asked.stream else SILENCE)
                if not self._response.begun:
                    await self._head(
                        200, [(b"content-type", self._stream_type if self._asked.stream else b"application/json")]
                    )
                await self._response.write(self._heartbeat() if self._asked.stream else b" ")

    @property
    def _stream_type(self) -> bytes:
        return _STREAM_TYPES.get(self._asked.api, b"text/event-stream")

    def _heartbeat(self) -> bytes:
        """An empty record in the endpoint's own shape (a blank line breaks some clients); events where those count."""
        if self._asked.api != "native":
            return heartbeat(self._asked.api, self._agent, self._news)
        return _ENCODE(empty_record(self._asked, self._asked.name)) + b"\n"

    async def _head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The head, with what has been decided by now."""
        request = self.request
        if request is not None:
            headers.append((b"x-innkeep-role", request.target.role.encode()))
            if request.model is not None:
                headers.append((b"x-innkeep-model", request.model.encode("ascii", "replace")))
        await self._response.head(status, headers)

    # ---- under the lease ----

    async def work(self, lease: Assignment) -> Completion:
        """Pass the request on and its answer back. Raises ``BackendFault`` for whatever goes wrong there."""
        asked = self._asked if lease.thinks else self._asked.without_thinking()
        old = asked.spelled(lease)
        self._context = max(self._context, lease.context or 0)
        model = self._dispatcher.control.catalog.find(lease.candidate.name)
        # The MLX engine ignores ``num_ctx`` and keeps a runner for each name: a derived one would be a second copy.
        is_ours = lease.context is not None and model is not None and not model.is_mlx
        is_fixed = not asked.endpoint.is_native and is_ours
        thinks = model is not None and "thinking" in model.capabilities
        limit = await answer_limit(asked, lease, thinks=thinks) if is_ours else None
        if is_fixed and model is not None:
            old = await self._aliases.name_for(lease, model)
        if not asked.stream:
            lease.response_deadline.whole((lease.context or ELSEWHERE) / self._speed(lease))
        renamed = Renamed(old, asked.name) if old != asked.name else None
        body = await off_loop(asked.size > SMALL, partial(asked.body_for, lease, old, limit))
        try:
            async with lease.backend.forward("POST", asked.endpoint.path, body, _SENT) as answer:
                if answer.status >= 300:
                    raise await _fault(answer)
                result = await self._pass_on(answer, lease, renamed)
        except BackendFault as fault:
            if is_fixed and fault.code == "unknown_model":
                self._aliases.forget(old)
            if is_fixed:
                fault.message = without_derived(fault.message, asked.name)
                fault.args = (fault.message,)
            raise
        await self.finish()
        if is_fixed and not self._stays(lease, result):
            # Behind the answer's end and outside its deadline: nobody waits for it, and the lease still keeps others
            # from unloading the model that it would load again.
            lease.response_deadline.pause()
            await _renew(lease)
        return result

    def _stays(self, lease: Assignment, result: Completion) -> bool:
        """Whether the model stays for long enough as it is: under ``/v1`` only a reload ends its keep-alive."""
        control = self._dispatcher.control
        seen = control.monitor.observation
        if result.load_seconds > RELOADED or seen is None:
            return False
        least = control.wall(control.now()) + min(lease.keep_alive, LONG) / 2
        return any(
            control.weights_of(each.name) == lease.candidate.weights and (each.expires or 0.0) >= least
            for each in seen.running or ()
        )

    async def _pass_on(self, answer: Answer, lease: Assignment, renamed: Renamed | None) -> Completion:
        scanner = Scanner(self._asked.api, streams=self._asked.stream)
        if self._asked.stream:
            await self._stream(answer, lease, renamed, scanner)
        else:
            await self._in_one_piece(answer, lease, renamed, scanner)
        await self._begin(answer, renamed)
        lease.response_deadline.went_on()
        result = scanner.result()
        if lease.counted is not None:  # which has read the prompt, and loaded the model if that was needed
            load_seconds = max(result.load_seconds, lease.counted.load_seconds)
            prefill = lease.counted.prefill_seconds
            result = msgspec.structs.replace(result, prefill_seconds=prefill, load_seconds=load_seconds)
        return result

    async def _stream(self, answer: Answer, lease: Assignment, renamed: Renamed | None, scanner: Scanner) -> None:
        errors = Errors(self._asked.api)
        async for chunk in answer.chunks():
            data, broken = errors.feed(chunk)
            await self._pass_part(answer, lease, renamed, scanner, data)
            if broken is not None:
                raise broken
        data, broken = errors.end()
        await self._pass_part(answer, lease, renamed, scanner, data)
        if broken is not None:
            raise broken
        rest = renamed.end() if renamed is not None else b""
        scanner.feed(rest)
        if not scanner.is_whole:
            raise BackendFault("backend_error", BROKE_OFF)
        if rest:
            await self._begin(answer, renamed)
            await self._response.write(rest)

    async def _in_one_piece(self, answer: Answer, lease: Assignment, renamed: Renamed | None, scanner: Scanner) -> None:
        """Pass on an answer that does not stream; a chat's is held back until it is known to be whole."""
        is_held = self._asked.endpoint.kind == "chat"
        held: list[bytes] = []
        async for chunk in answer.chunks():
            if is_held:
                data = chunk if renamed is None else renamed.feed(chunk)
                scanner.feed(data)
                held.append(data)
            else:
                await self._pass_part(answer, lease, renamed, scanner, chunk)
        held.append(renamed.end() if renamed is not None else b"")
        scanner.feed(held[-1])
        if is_held and not scanner.is_whole:
            raise BackendFault("backend_error", BROKE_OFF)
        if data := b"".join(held):
            await self._begin(answer, renamed)
            await self._response.write(data)

    async def _pass_part(
        self, answer: Answer, lease: Assignment, renamed: Renamed | None, scanner: Scanner, data: bytes
    ) -> None:
        """Pass a part on, renamed, after the head where it is the first; waits for a slow reader."""
        if renamed is not None:
            data = renamed.feed(data)
        if not data:
            return
        if lease.response_deadline.first_token is None:
            await self._begin(answer, renamed)
        scanner.feed(data)
        await deliver(data, self._response, lease.response_deadline)

    async def _begin(self, answer: Answer, renamed: Renamed | None) -> None:
        """Send the head, where none has been sent yet."""
        self._held.cancel()
        if not self._response.begun:
            await self._head(answer.status, _passed_headers(answer, keep_length=renamed is None))

    def _speed(self, lease: Assignment) -> float:
        learned = self._dispatcher.control.catalog.estimates.of(lease.candidate.weights).decode
        return max(learned.value / 2, 0.5) if learned else SLOWEST

    # ---- the end ----

    @property
    def is_ended(self) -> bool:
        """Whether the client has been told everything: its leaving ends nothing any more."""
        return self._ended

    async def finish(self) -> None:
        """The whole answer has been passed on."""
        if not self._ended:
            self._ended = True
            await self._response.end()

    async def fail(self, failure: RequestFailed) -> None:
        """Tell a failure: as an answer, or as the last record of one that has begun."""
        self._held.cancel()
        if self._ended:
            return
        self._ended = True
        fault = self._told_fault(failure)
        if not self._response.begun:
            await self._response.fault(self._asked.api, fault)
        elif self._asked.stream:
            await self._response.end(error_record(self._asked.api, fault))
        # An answer in one piece that has begun is left unfinished: its connection is cut, so that no half looks whole.

    def _told_fault(self, failure: RequestFailed) -> HttpFault:
        """The failure; an overflow under ``/v1`` in the words that clients there know, where its context is known."""
        fault, request = fault_seen_by(failure, self._asked), self.request
        if failure.code == "context_overflow" and self._context and request and not self._asked.endpoint.is_native:
            refusals = [each.message or "" for each in request.attempts.tried]
            estimate = request.spec.demand.tokens
            return HttpFault(fault.status, overflow_text(refusals, estimate=estimate, context=self._context), CODE)
        return fault


def fault_seen_by(failure: RequestFailed, asked: ModelRequest) -> HttpFault:
    """A failure as HTTP has it; an unknown model in Ollama's own words, which clients look for."""
    if failure.code == "unknown_model":
        return HttpFault(404, f"model '{asked.name}' not found", failure.code)
    return fault_of(failure.code, failure.message)


def empty_record(asked: ModelRequest, name: str) -> dict[str, object]:
    """A record of ``/api/chat`` or ``/api/generate`` that says nothing yet."""
    stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    head: dict[str, object] = {"model": name, "created_at": stamp}
    if asked.endpoint.path == "/api/chat":
        return head | {"message": {"role": "assistant", "content": ""}, "done": False}
    return head | {"response": "", "done": False}


async def _fault(answer: Answer) -> BackendFault:
    text = error_text(await answer.read())
    if answer.status < 400:
        return BackendFault("backend_error", f"the engine redirects ({answer.status}), which is not followed")
    return BackendFault(classify(answer.status, text), text, status=answer.status)


def _passed_headers(answer: Answer, *, keep_length: bool) -> list[tuple[bytes, bytes]]:
    names = ("content-type", "content-length") if keep_length else ("content-type",)
    return [(name.encode(), answer.headers[name].encode("latin-1")) for name in names if name in answer.headers]


async def _renew(lease: Assignment) -> None:
    """``/v1`` has set the model's stay back to Ollama's five minutes."""
    with anyio.move_on_after(RENEW_WITHIN), suppress(BackendFault):
        await lease.backend.load(lease.model, context=lease.context or 0, keep_alive=lease.keep_alive)
    # Where it failed the next look at /api/ps tells what became of it.
