"""What stands in Ollama's memory, asked again and again: ``/api/ps``, whether it answers at all, and its version.

The asking keeps quiet when nobody cares (a wake-up every 30 s with nothing loaded and nobody there) and quick around
loads and unloads (``hurry``). An observation carries the instant at which its question was *sent*: what the daemon
itself did after that instant is newer than what the answer says.
"""

from collections.abc import Callable

import anyio
from msgspec import Struct

from innkeepd.backends.backend import Backend, BackendFault, Running

QUICK = (0.25, 1.0)
"""Seconds between questions in a hurry: from the first to the second, half as much again each time."""

SERVING = 2.0
"""Seconds between questions while requests are open: a foreign load is then seen before it matters."""

AWAKE = 10.0
"""Seconds between questions with something loaded or somebody connected."""

IDLE = 30.0
"""Seconds between questions with nothing loaded and nobody connected."""

ANSWER_WITHIN = 5.0
"""Seconds that ``/api/ps`` has. Ollama mostly answers it in a millisecond, but it can block: 20 s behind a runner that
hangs (since 0.32.4), and through the whole load of an MLX model (since 0.32.5).
"""

ALIVE_WITHIN = 2.0
"""Seconds that ``/api/version``, which takes no lock, then has to prove that Ollama lives."""

VERSION_EVERY = 2.0
"""Seconds after which the version is read again: Ollama's app replaces itself while we run."""


class Observation(Struct, frozen=True):
    """What Ollama said to a question sent at ``sent`` (``anyio.current_time``).

    ``running`` is None where ``/api/ps`` did not answer, ``fault`` then says why. ``version`` is the last one known.
    ``is_blocked``: Ollama lives, but ``/api/ps`` waits for a runner.
    """

    sent: float
    running: list[Running] | None
    version: str | None = None
    fault: str | None = None
    is_blocked: bool = False

    @property
    def reachable(self) -> bool:
        """Whether Ollama answered, be it only its version."""
        return self.running is not None or self.is_blocked


class _Question:
    """A question under way; ``seen`` is its answer once it is ``over``, None where whoever asked has left."""

    def __init__(self) -> None:
        self.over = anyio.Event()
        self.seen: Observation | None = None


class Watch:
    """Asks at the right pace. ``report`` is called with the last observation and the one before, and must not wait."""

    def __init__(self, backend: Backend, report: Callable[[Observation, Observation | None], None]) -> None:
        self.last: Observation | None = None
        self.clients = 0
        """How many are connected."""
        self._backend = backend
        self._report = report
        self._question: _Question | None = None
        self._version: str | None = None
        self._version_at = float("-inf")
        self._losses = 0
        self._hurry_until = float("-inf")
        self._step = QUICK[0]
        self._at_once = False
        self._requests = 0
        self._changed = anyio.Event()
        self._asked = 0.0
        self._sleep: anyio.CancelScope | None = None

    def __repr__(self) -> str:
        return f"<Watch every {self.interval(self._hurry_until):.2g} s, last {self.last!r}>"

    async def run(self) -> None:
        """Observe until cancelled, at once to begin with."""
        while True:
            await self.observe_now()
            await self._pause()

    async def observe_now(self) -> Observation:
        """Ask once, report and return the answer: proof of what holds now, whatever the pace.

        Whoever comes while a question is under way shares its answer: a burst of requests asks once.
        """
        while (under_way := self._question) is not None:
            await under_way.over.wait()
            if under_way.seen is not None:
                return under_way.seen
            # Whoever asked has left before the answer: somebody else asks.
        question = self._question = _Question()
        try:
            seen = question.seen = await self._ask()
            self.take(seen)
        finally:
            self._question = None
            question.over.set()
        return seen

    def take(self, seen: Observation) -> None:
        """Keep and report an observation, unless it is no news."""
        if self._is_news(seen):
            before, self.last = self.last, seen
            self._report(seen, before)

    def hurry(self, seconds: float = 10.0) -> None:
        """Something is under way: ask now and quickly, for so many seconds or until ``calm``."""
        self._hurry_until = max(self._hurry_until, anyio.current_time() + seconds)
        self._version_at = float("-inf")  # an answer that failed may be the first sign of another Ollama
        self._step = QUICK[0]
        self._at_once = True
        self._wake()

    def calm(self) -> None:
        """What was under way has ended."""
        self._hurry_until = float("-inf")
        self._wake()

    def attend(self, *, clients: int, requests: int = 0) -> None:
        """How many are connected and how many requests are open; more of them shorten the sleep.

        Called twice a request, so it moves the sleep's end instead of waking anybody.
        """
        self.clients, self._requests = clients, requests
        if self._sleep is not None:
            due = self._asked + self.interval(anyio.current_time())
            self._sleep.deadline = min(due, self._sleep.deadline)

    def interval(self, now: float) -> float:
        """Seconds until the next question."""
        if now < self._hurry_until:
            return self._step
        if self._requests:
            return SERVING
        if self.clients or (self.last is not None and self.last.running != []):
            return AWAKE
        return IDLE

    async def _ask(self) -> Observation:
        sent = anyio.current_time()
        try:
            with anyio.fail_after(ANSWER_WITHIN):
                running = await self._backend.running()
                if self._has_lost(running) or self.is_stale or sent - self._version_at >= VERSION_EVERY:
                    await self._read_version()
        except TimeoutError:
            text = f"no answer in {ANSWER_WITHIN:g} s"
            return Observation(sent, None, self._version, text, is_blocked=await self._is_alive())
        except BackendFault as error:
            self._version_at = float("-inf")  # whoever answers next may be another version
            return Observation(sent, None, self._version, str(error))
        return Observation(sent, running, self._version)

    def _has_lost(self, running: list[Running]) -> bool:
        """Whether a model left since the last look: it may be that Ollama was started anew, as another version."""
        before = self.last.running if self.last is not None and self.last.running is not None else []
        return bool({line.name for line in before} - {line.name for line in running})

    @property
    def is_stale(self) -> bool:
        """Whether Ollama has closed connections since its version was read: another one may have taken its place."""
        return self._backend.losses != self._losses

    async def _read_version(self) -> None:
        losses = self._backend.losses
        self._version, self._version_at = await self._backend.version(), anyio.current_time()
        self._losses = losses

    async def _is_alive(self) -> bool:
        try:
            with anyio.fail_after(ALIVE_WITHIN):
                await self._read_version()
        except (BackendFault, TimeoutError):
            self._version_at = float("-inf")
            return False
        return True

    def _is_news(self, seen: Observation) -> bool:
        """Not older than what was reported, and not one more time that nobody answers."""
        last = self.last
        if last is None:
            return True
        is_same = seen.running is None and last.running is None and seen.is_blocked == last.is_blocked
        return seen.sent >= last.sent and not is_same

    async def _pause(self) -> None:
        """Until the next question is due; a change of pace moves that instant, and asks at once what is overdue."""
        self._asked = anyio.current_time()
        due = False
        while not self._at_once and not due:
            self._changed = anyio.Event()
            with anyio.move_on_at(self._asked + self.interval(anyio.current_time())) as self._sleep:
                await self._changed.wait()
            due, self._sleep = self._sleep.cancelled_caught, None
        if self._at_once:
            self._at_once = False
        elif anyio.current_time() < self._hurry_until:
            self._step = min(self._step * 1.5, QUICK[1])

    def _wake(self) -> None:
        self._changed.set()
