"""What every attack has: dice from a printed seed, a limit of time, and a place for its counts and figures."""

import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.to_thread
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

LONG = os.environ.get("ATTACK") == "long"
"""Whether this is `make attack`; `make test` runs a short seed of each attack."""

SEED = int(os.environ.get("ATTACK_SEED") or 1)
"""`make attack` draws one and prints it; `ATTACK_SEED=N` repeats it."""

TIMES = float(os.environ.get("ATTACK_TIMES") or 1)
"""``ATTACK_TIMES=5``: each attack lasts five times as long, for the figures of docs/reliability.md."""

ALL_WITHIN = 13.5 * 60.0 * TIMES
"""Seconds of `make attack` until an attack whose turn comes does but one round: 15 minutes in all."""

_BEGAN = time.monotonic()


class Attack:
    """One attack. ``dice`` are its own: they depend on the seed and its name, not on the attacks before it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dice = random.Random(f"{SEED} {name}")
        self.counts: dict[str, int] = {}
        self.figures: dict[str, str] = {}
        self.seconds = 0.0

    def __repr__(self) -> str:
        return f"<Attack {self.name} of seed {SEED}: {self.counts}>"

    def rounds(self, *, short: float, long: float, most: int | None = None) -> Iterator[int]:
        """Numbers from 0 on for so many seconds, at most ``most`` of them and at least one."""
        end = time.monotonic() + (long * TIMES if LONG else short)
        end = min(end, _BEGAN + ALL_WITHIN) if LONG else end
        number = 0
        while number == 0 or (time.monotonic() < end and (most is None or number < most)):
            yield number
            number += 1

    def tries(
        self, cases: st.SearchStrategy[Any], check: Callable[[Any], Any], *, short: float, long: float, batch: int = 100
    ) -> None:
        """Draw cases and check them for so many seconds.

        The one that fails is told as it was drawn: with a daemon in each, hypothesis needs minutes to make it small.
        """
        plain = settings(
            max_examples=batch, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck), print_blob=False,
        )  # fmt: skip
        for _ in self.rounds(short=short, long=long):

            @seed(self.dice.randrange(2**32))
            @plain
            @given(case=cases)
            def tried(case: Any) -> None:
                self.count("cases")
                check(case)

            tried()

    def count(self, what: str, number: int = 1) -> None:
        """So many more of something were tried or seen."""
        self.counts[what] = self.counts.get(what, 0) + number

    def most(self, what: str, value: int) -> None:
        """Keep the largest value of something."""
        self.counts[what] = max(self.counts.get(what, 0), value)

    def figure(self, what: str, value: str) -> None:
        """A figure of ``docs/reliability.md``."""
        self.figures[what] = value


async def rest(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Let a mock clock run until something holds, at most for so many seconds.

    A worker thread takes real time, of which a mock clock knows nothing: where one is at work then, it may end first.
    """
    with anyio.move_on_after(seconds):
        while not holds():  # noqa: ASYNC110 - of a scheduler no event tells
            await anyio.sleep(1.0)
    threads = anyio.to_thread.current_default_thread_limiter()
    for _ in range(500):
        if holds() or not threads.borrowed_tokens:
            break
        await anyio.to_thread.run_sync(time.sleep, 0.01)
        await anyio.sleep(1.0)
