"""What Ollama has on its disk."""

import anyio
import pytest

from innkeepd.backends.backend import Running
from innkeepd.residency.pulled import MOST_UNPULLED
from innkeepd.residency.watch import Observation
from support.daemon import mock_clock, open_daemon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_names_in_ps_that_nobody_knows_are_looked_up_before_they_count():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        asked = len(daemon.asked("/api/tags"))
        now = anyio.current_time()
        daemon.control.monitor.watch.take(Observation(now, [Running("stranger:1b", 2**30)]))
        assert daemon.control.scheduler.ledger.residents == {}
        await anyio.sleep(0.1)
        assert len(daemon.asked("/api/tags")) == asked + 1
        daemon.control.monitor.watch.take(Observation(anyio.current_time(), [Running("stranger:1b", 2**30)]))
        assert list(daemon.control.scheduler.ledger.residents) == ["stranger:1b"]
        await anyio.sleep(0.1)
        assert len(daemon.asked("/api/tags")) == asked + 1


async def test_an_odd_fault_while_looking_names_up_is_told_and_outlived(monkeypatch):
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        heard = []
        daemon.control.on_event.append(lambda *event: heard.append(event))

        async def broken():
            raise ValueError("odd")

        monkeypatch.setattr(daemon.control.backend, "pulled", broken)
        daemon.control.pulled.look_anew()
        await anyio.sleep(1)
        assert [what for kind, what, _ in heard if kind == "log"] == ["a fault of innkeepd itself"]
        daemon.faults.clear()
        assert not daemon.control.pulled._is_reading


async def test_what_is_pulled_while_the_list_is_being_read_is_looked_for_once_more():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        asked = len(daemon.asked("/api/tags"))
        daemon.control.pulled.look_anew()
        daemon.control.pulled.look_anew()
        daemon.control.pulled.look_anew()
        await anyio.sleep(5)
        assert len(daemon.asked("/api/tags")) == asked + 2


async def test_names_that_are_not_pulled_do_not_fill_memory():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        for number in range(3):
            running = [Running(f"stranger{number}-{each}:1b", 1) for each in range(MOST_UNPULLED)]
            daemon.control.monitor.watch.take(Observation(anyio.current_time(), running))
            await anyio.sleep(0.1)
        assert len(daemon.control.pulled._unpulled) <= 2 * MOST_UNPULLED
