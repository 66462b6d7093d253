"""Days of requests before runners that grow as recorded: the budget holds, and no answer is cut for it.

Recorded on 0.33.0: 40 prompts of 816 tokens let a runner of 16 KiB a token grow from 158 to 700 MB, 13.5 MB a prompt:
its KV cache; llama-server keeps at most 8 GiB of it. `INNKEEP_GROWTH_REQUESTS=10000` runs the long form.
"""

import os
import random

import anyio
import pytest

from innkeep import wire
from innkeepd.policy.model import GIB
from support.daemon import HOUR, LLAMA8, QWEN, mock_clock, open_daemon

from .test_growth import Growing

pytestmark = pytest.mark.anyio
REQUESTS = int(os.environ.get("INNKEEP_GROWTH_REQUESTS", "300"))
RECORDED = (700_000_000 - 158_000_000) / 40 / (816 * 16 * 1024)
"""Of a prompt's KV cache, what was kept of it."""
TOKENS = 816
CACHE = 8 * GIB
IDLE_OVER = 5.0
"""Seconds of idle time that the runners may be over the budget."""


@pytest.fixture
def anyio_backend():
    return mock_clock()


class Recorded(Growing):
    """Runners that grow as llama-server's was seen to, by the prompts read since each was loaded."""

    def __init__(self):
        super().__init__()
        self.read = {}

    def growth(self, runner):
        kept = int(RECORDED * TOKENS * runner.model.kv_per_token * self.read.get(id(runner), 0))
        return min(CACHE, kept)

    def answered(self, name):
        for runner in self.simulator.runners.standing():
            if runner.model.name == name:
                self.read[id(runner)] = self.read.get(id(runner), 0) + 1

    def total(self):
        return sum(runner.size + self.growth(runner) for runner in self.simulator.runners.standing() if runner.ready)


async def test_the_budget_holds_but_for_seconds_and_nobody_is_cut_off():
    dice, growing = random.Random(7), Recorded()
    async with open_daemon(runners=growing) as daemon:
        growing.simulator = daemon.simulator
        worst, recycled, clock = 0.0, [], anyio.current_time

        def hear(_kind, what, data):
            if data.get("reason") == "recycle" or "recycle" in what:
                recycled.append((clock(), data.get("model")))

        daemon.control.on_event.append(hear)
        client = daemon.connect()

        async def look():
            nonlocal worst
            over = 0.0
            while True:
                await anyio.sleep(0.5)
                status = daemon.control.scheduler.ledger
                is_idle = not daemon.control.handles() and not status.is_changing()
                over = over + 0.5 if is_idle and growing.total() > 27 * GIB else 0.0
                worst = max(worst, over)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            for number in range(REQUESTS):
                model = dice.choice([QWEN, QWEN, QWEN, LLAMA8])
                done = await client.chat_to_end(f"write code {number} [simulate tokens 5]", model=model)
                assert isinstance(done, wire.Done), done
                growing.answered(model)
                await anyio.sleep(dice.choice([0.1, 0.5, 3.0, 20.0]))
            tasks.cancel_scope.cancel()
        counters = (await client.status()).counters
        assert worst <= IDLE_OVER
        assert counters.recycles > 0
        assert counters.recycles <= 2 * (clock() / HOUR + 1), "one an hour a model"
