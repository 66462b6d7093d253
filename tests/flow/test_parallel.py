"""What the configuration promises of parallel answers, and what Ollama does."""

import anyio
import pytest

from innkeep import wire
from innkeepd.config.schema import ModelConfig
from innkeepd.machine.runners import Runners
from support.daemon import LLAMA8, config, mock_clock, open_daemon

pytestmark = pytest.mark.anyio

PROMISED = config(models={LLAMA8: ModelConfig(parallel=4)})


@pytest.fixture
def anyio_backend():
    return mock_clock()


class Environment:
    """An Ollama whose environment says how many requests it answers at once."""

    def __init__(self, parallel):
        self.parallel = parallel

    async def look(self):
        return Runners((), (), 10, None, self.parallel)

    def is_alive(self, _pid):
        return True


async def busiest(daemon, requests=4):
    """How many leases the model had at once while so many asked."""
    most = 0
    async with anyio.create_task_group() as tasks:
        for number in range(requests):
            tasks.start_soon(daemon.connect().chat_to_end, f"hello {number} [simulate tokens 400]")
        for _ in range(40):
            await anyio.sleep(0.5)
            most = max(most, len(daemon.control.scheduler.leases.all()))
    return most


async def test_no_more_is_granted_than_ollama_says_and_status_says_so():
    async with open_daemon(PROMISED, runners=Environment(2)) as daemon:
        client = daemon.connect()
        assert isinstance(await client.chat_to_end("hi", model=LLAMA8), wire.Done)
        await anyio.sleep(3)
        weights = daemon.control.weights_of(LLAMA8)
        assert daemon.control.scheduler.ledger.slots(weights) == 2
        found = [text for text in (await client.status()).warnings if text.startswith(LLAMA8)]
        assert found == [
            f"{LLAMA8} has parallel = 4, but Ollama answers 2 at once (OLLAMA_NUM_PARALLEL is 2): 2 are granted"
        ]
        assert await busiest(daemon) <= 2


async def test_where_ollama_answers_more_than_is_configured_status_says_what_to_set():
    async with open_daemon(runners=Environment(3)) as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        await anyio.sleep(3)
        found = [text for text in (await client.status()).warnings if f'[models."{LLAMA8}"]' in text]
        assert len(found) == 1
        assert "set parallel = 3" in found[0]
        assert daemon.control.scheduler.ledger.slots(daemon.control.weights_of(LLAMA8)) == 1


async def test_what_cannot_be_read_is_learned_from_answers_that_never_overlap():
    async with open_daemon(PROMISED, runners=Environment(None)) as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        weights = daemon.control.weights_of(LLAMA8)
        assert daemon.control.scheduler.ledger.slots(weights) == 4
        at = daemon.control.now() + 100
        for _ in range(12):  # one answer after the other, though two are granted at any time
            daemon.control.learn_overlap(weights, at - 5, at, at + 5)
            at += 5
        assert daemon.control.scheduler.ledger.slots(weights) == 1
        assert any("as its answers show" in text for text in (await client.status()).warnings)
