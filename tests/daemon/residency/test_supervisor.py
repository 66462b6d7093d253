"""The owner of scheduler state."""

import anyio
import pytest

from innkeepd.policy.scheduling import events as ev
from support.daemon import LLAMA8, mock_clock, open_daemon, ticket

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_a_grant_for_somebody_who_has_left_is_released_at_once():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        daemon.control.post(ev.Asked(ticket(daemon, LLAMA8)))
        await anyio.sleep(20)
        assert daemon.is_quiet()


async def test_the_journal_hears_every_event_and_its_actions():
    written = []
    async with open_daemon(journal=lambda now, event, actions: written.append((now, event, actions))) as daemon:
        await daemon.connect().chat_to_end("hi", model=LLAMA8)
        kinds = [type(event) for _, event, _ in written]
        assert {ev.Known, ev.Measured, ev.Asked, ev.LoadEnded, ev.Released, ev.Observed} <= set(kinds)
        assert any(isinstance(action, ev.Load) for _, _, actions in written for action in actions)
        assert [now for now, _, _ in written] == sorted(now for now, _, _ in written)
