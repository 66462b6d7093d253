"""One model's process, and a request's hold on it."""

import math
from typing import Protocol

import anyio

from innkeepd.simulator.catalog import Pulled
from innkeepd.simulator.launch import Launch
from innkeepd.simulator.prompt_cache import PromptCache


class Runner:
    """One model's process.

    ``busy`` counts the requests that hold it, those in its line too; infinite ``expires`` is for ever.
    """

    def __init__(
        self, pid: int, model: Pulled, launch: Launch, keep: float, *, slots: int, cache_ram: int, parallel: int
    ) -> None:
        self.pid = pid
        self.model = model
        self.launch = launch
        self.keep = keep
        self.expires = math.inf
        self.busy = 0
        self.ready = False
        self.dead = False
        """The process died; ``/api/ps`` does not know."""
        self.gone = False
        """The whole server went away."""
        self.frozen = False
        """The process exists and does not answer."""
        self.broken = False
        """The GPU was out of memory in the middle of an answer: every further one fails."""
        self.why = "expired"
        self.stuck_until = -math.inf
        self.slots = anyio.Semaphore(slots)
        self.cache = PromptCache(slots=slots, limit=cache_ram, per_token=model.kv_per_token)
        self.longest = 0
        """Most tokens of one conversation so far."""
        self._parallel = parallel

    def __repr__(self) -> str:
        return f"<Runner {self.model.name} context={self.context} busy={self.busy} expires={self.expires:.1f}>"

    @property
    def key(self) -> str:
        """What other names of it have in common."""
        return self.model.runner_key

    @property
    def context(self) -> int:
        """Tokens, as in ``/api/ps``; an MLX runner only repeats the requested value."""
        return self.launch.num_ctx

    @property
    def limit(self) -> int:
        """Tokens that really fit: an MLX runner goes up to the model's own length."""
        return self.model.max_context if self.model.is_mlx else self.launch.num_ctx

    @property
    def size(self) -> int:
        """Bytes, as in ``/api/ps``; an MLX runner grows with the longest conversation."""
        held = self.model.footprint(self.launch.num_ctx, self._parallel)
        return held + self.model.kv(self.longest) if self.model.is_mlx else held

    def shown_until(self) -> float:
        """The ``expires_at`` of ``/api/ps``, on the clock; a loading one's is a guess, as Ollama's is."""
        return self.expires if self.ready else anyio.current_time() + self.keep

    def differing(self, launch: Launch) -> list[str]:
        """Launch attributes for which a request reloads it; an MLX runner takes any."""
        return [] if self.model.is_mlx else self.launch.differing(launch)

    def serves(self, launch: Launch, now: float) -> bool:
        """Whether it serves a request with these attributes without a reload."""
        leaving = self.busy == 0 and self.expires <= now
        return self.ready and not self.dead and not leaving and not self.differing(launch)


class Owner(Protocol):
    """A callback for the end of a request on a runner."""

    def released(self, runner: Runner) -> None:
        """It is."""
        ...


class Use:
    """A request's hold on a runner; ``release`` may be called twice."""

    def __init__(self, runners: Owner, runner: Runner) -> None:
        self.runner = runner
        self._runners = runners
        self._held = True
        self._slot = False
        runner.busy += 1

    async def slot(self) -> None:
        """Wait for one of the runner's slots, first come, first served."""
        await self.runner.slots.acquire()
        self._slot = True

    def release(self) -> None:
        """Let go; the last one starts the runner's keep-alive."""
        if not self._held:
            return
        self._held = False
        if self._slot:
            self.runner.slots.release()
        self._runners.released(self.runner)
