"""What the processes hold; ``tests/flow/test_growth.py`` has a day of it."""

import anyio
import pytest

from innkeepd.machine.runners import Runner, Runners
from innkeepd.policy.model import GIB
from support.daemon import LLAMA8, mock_clock, open_daemon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


class Processes:
    """Runners as a test says them."""

    def __init__(self):
        self.found = Runners()
        self.looks = 0

    async def look(self):
        self.looks += 1
        return self.found

    def is_alive(self, pid):
        return pid == 1


async def test_a_runner_that_was_left_behind_is_told_once_and_takes_from_the_budget():
    processes, heard = Processes(), []
    async with open_daemon(runners=processes) as daemon:
        daemon.control.on_event.append(lambda _kind, what, data: heard.append((what, data)))
        await anyio.sleep(5)
        before = daemon.control.scheduler.ledger.budget
        processes.found = Runners(orphans=(Runner(7, "llama-server", total=GIB),))
        for _ in range(2):
            daemon.control.monitor.weights.want(at_once=True)
            await anyio.sleep(5)
        assert daemon.control.scheduler.ledger.budget == before - GIB
    assert [data for what, data in heard if what == "runner left behind"] == [{"pid": 7, "bytes": GIB}]


async def test_wishes_to_weigh_are_gathered_and_a_process_is_known_by_its_weights_while_it_lives():
    processes = Processes()
    async with open_daemon(runners=processes) as daemon:
        await anyio.sleep(5)
        weights, name = daemon.control.monitor.weights, daemon.control.weights_of(LLAMA8)
        looks = processes.looks
        processes.found = Runners((Runner(1, "a", name), Runner(2, "b", "other")))
        for _ in range(10):
            weights.want()
        await anyio.sleep(5)
        assert processes.looks == looks + 1
        assert (weights.pid_of(name), weights.pid_of("other"), weights.pid_of("none")) == (1, None, None)
