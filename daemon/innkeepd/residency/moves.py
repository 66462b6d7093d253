"""Loads and unloads, performed and proved. Decides nothing: the scheduler says what, this says whether it came true.

The backend's word proves nothing: Ollama answers ``unload`` at once and frees memory when the last answer has ended,
and on Metal it does not wait for memory before its next load. So a load is proved by ``/api/ps``, and an unload by
``/api/ps`` *and* by the end of the runner's process. Where that process is not known (another user's, another machine)
memory must have come back, judged against the fall that was seen at that model's load; on a Mac that is no good proof,
because a model that was idle for minutes looks free already.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

import anyio
from msgspec import Struct

from innkeepd.backends.backend import Backend, BackendFault, Running
from innkeepd.policy.fallback import RETRY_DELAYS

LISTED_WITHIN = 5.0
"""Seconds for ``/api/ps`` to tell under which name a model is loaded; behind a runner that hangs it takes 20."""
GONE_WITHIN = 30.0
"""Seconds for a model to leave ``/api/ps``."""
ENDED_WITHIN = 10.0
"""Seconds more for its process to end: Ollama kills it and waits before it leaves the list, but 0.17.4 does not."""
BACK_WITHIN = 5.0
"""Seconds more for its memory to come back."""
GIVEN_UP_WITHIN = 5.0
"""Seconds for Ollama to take the word that a load is no longer wanted."""
LOOK_WITHIN = 25.0
"""Seconds for one answer of ``/api/ps``: longer than it takes behind a runner that hangs."""
SILENT_FOR = 10.0
"""Seconds without any answer of ``/api/ps`` after which nothing can be proved: longer than its app takes to start."""
THERE_WITHIN = 5.0
"""Seconds for a loaded model to stand in ``/api/ps``."""
BACK_SHARE = 0.8
"""Of the fall seen at its load, that must have come back."""
MOST_FALL = 2
"""Times what ``/api/ps`` tells that a load's fall is believed: it tells too little on Macs, but what is far above that
another program has taken meanwhile, and will not give back at our unload.
"""
NOISE = 256 * 2**20
"""Bytes that other programs take and give back all the time: a smaller fall is none."""
POLL = (0.02, 0.25)
"""Seconds between looks: from the first to the slowest, half as much again each time."""

LOAD_CODES = frozenset({"out_of_memory", "load_failed", "backend_unreachable", "queue_full", "unsupported"})


class Outcome(Struct, frozen=True):
    """How a move ended: ``code`` None where it is proved. ``footprint`` in bytes, None where unknown; seconds."""

    code: str | None = None
    message: str = ""
    footprint: int | None = None
    seconds: float = 0.0


class Moves:
    """Brings models in and out. ``weights_of`` maps a name in ``/api/ps`` to weights, ``free`` reads free bytes now.

    ``load_timeout`` gives the seconds that a load may take.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        weights_of: Callable[[str], str],
        free: Callable[[], int | None],
        load_timeout: Callable[[], float],
        observed: Callable[[float, list[Running]], None] | None = None,
        pid_of: Callable[[str], int | None] = lambda _weights: None,
        is_alive: Callable[[int], bool] = lambda _pid: False,
    ) -> None:
        self._backend = backend
        self._weights_of = weights_of
        self._free = free
        self._load_timeout = load_timeout
        self._observed = observed
        self._pid_of = pid_of
        self._is_alive = is_alive
        self._falls: dict[str, int] = {}
        self._is_silent = False

    async def bring_in(self, weights: str, name: str, *, context: int, keep_alive: float, expected: int = 0) -> Outcome:
        """Load and prove it; never raises for what goes wrong out there.

        ``expected`` is the estimate in bytes, which counts where ``/api/ps`` tells no size; 0: none.
        """
        began, before, within = anyio.current_time(), self._free(), self._load_timeout()
        try:
            with anyio.fail_after(within):
                await self._load(name, context, keep_alive)
            line = await self._listed(weights)
        except TimeoutError:
            await self.give_up(weights, name)
            return Outcome("load_failed", f"{name} did not load within {within:g} s")
        except BackendFault as fault:
            code = fault.code if fault.code in LOAD_CODES else "load_failed"
            return Outcome("model_missing" if fault.code == "unknown_model" else code, fault.message)
        if line is None:
            return Outcome("load_failed", f"Ollama says that {name} is loaded, but does not list it")
        after = self._free()
        if before is not None and after is not None and before - after > NOISE:
            most = MOST_FALL * (line.size or expected)
            self._falls[weights] = min(before - after, most) if most else before - after
        return Outcome(footprint=line.size or None, seconds=anyio.current_time() - began)

    async def take_out(self, weights: str, name: str) -> Outcome:
        """Unload and prove it; never raises for what goes wrong out there."""
        began, before, pid = anyio.current_time(), self._free(), self._pid_of(weights)
        running: list[Running] | None = None
        with anyio.move_on_after(LISTED_WITHIN):
            running = await self._running()
        line = next((each for each in running or [] if self._weights_of(each.name) == weights), None)
        with anyio.move_on_after(GIVEN_UP_WITHIN):  # one that is not answered may have been heard all the same
            try:
                await self._backend.unload(line.name if line else name)
            except BackendFault as fault:
                if fault.code != "backend_unreachable":
                    return Outcome("load_failed", f"{name} could not be unloaded: {fault.message}")
        if not await self._until(GONE_WITHIN, lambda running: weights not in self._weights(running)):
            if self._is_silent:
                return Outcome("backend_unreachable", f"Ollama does not answer, so {name} may still be in memory")
            return Outcome("load_failed", f"{name} was still in memory {GONE_WITHIN:g} s after its unload")
        if pid is None:
            await self._memory_back(weights, before)
        elif not await self._ended(pid):
            return Outcome(
                "load_failed", f"{name} left /api/ps, but its process {pid} still runs {ENDED_WITHIN:g} s later"
            )
        self._falls.pop(weights, None)
        return Outcome(seconds=anyio.current_time() - began)

    async def renew(self, name: str, *, context: int, keep_alive: float) -> None:
        """Move the end of a model's stay; the same context, or Ollama would reload it."""
        with anyio.move_on_after(self._load_timeout()):
            try:
                await self._backend.load(name, context=context, keep_alive=keep_alive)
            except BackendFault:
                return  # the next look at /api/ps tells what became of it

    async def _load(self, name: str, context: int, keep_alive: float) -> None:
        for delay in RETRY_DELAYS:
            try:
                await self._backend.load(name, context=context, keep_alive=keep_alive)
            except BackendFault as fault:
                if fault.code != "backend_unreachable":
                    raise
                await anyio.sleep(delay)
            else:
                return
        await self._backend.load(name, context=context, keep_alive=keep_alive)

    async def give_up(self, weights: str, name: str) -> None:
        """End a load that hangs or is no longer wanted, and wait until the model is gone.

        It must not finish later, unseen, on top of another.
        """
        with anyio.move_on_after(GIVEN_UP_WITHIN), suppress(BackendFault):
            await self._backend.unload(name)
        await self._until(GONE_WITHIN, lambda running: weights not in self._weights(running))

    async def _listed(self, weights: str) -> Running | None:
        found: list[Running] = []

        def is_there(running: Sequence[Running]) -> bool:
            found[:] = [line for line in running if self._weights_of(line.name) == weights]
            return bool(found)

        await self._until(THERE_WITHIN, is_there)
        return found[0] if found else None

    async def _until(self, within: float, holds: Callable[[Sequence[Running]], bool]) -> bool:
        """Look at ``/api/ps`` until something holds; False where it did not in time, or Ollama has gone silent."""
        pause, heard = POLL[0], anyio.current_time()
        self._is_silent = False
        with anyio.move_on_after(within):
            while True:
                running = await self._running()
                if running is not None and holds(running):
                    return True
                heard = anyio.current_time() if running is not None else heard
                if anyio.current_time() - heard >= SILENT_FOR:
                    self._is_silent = True
                    return False
                await anyio.sleep(pause)
                pause = min(pause * 1.5, POLL[1])
        return False

    async def _running(self) -> list[Running] | None:
        """What is in memory; None where Ollama does not say."""
        sent = anyio.current_time()
        try:
            with anyio.fail_after(LOOK_WITHIN):
                running = await self._backend.running()
        except (BackendFault, TimeoutError):
            return None
        if self._observed is not None:
            self._observed(sent, running)
        return running

    async def _ended(self, pid: int) -> bool:
        with anyio.move_on_after(ENDED_WITHIN):
            while self._is_alive(pid):  # noqa: ASYNC110 - a process that is not our child can only be asked
                await anyio.sleep(POLL[0])
            return True
        return False

    async def _memory_back(self, weights: str, before: int | None) -> None:
        fall = self._falls.pop(weights, None)
        if fall is None or before is None:
            return
        with anyio.move_on_after(BACK_WITHIN):
            while (now := self._free()) is not None and now < before + BACK_SHARE * fall:  # noqa: ASYNC110
                await anyio.sleep(0.1)

    def _weights(self, running: Sequence[Running]) -> set[str]:
        return {self._weights_of(line.name) for line in running}
