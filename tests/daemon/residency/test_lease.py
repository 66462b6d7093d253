"""A place in the line, later a lease."""

import anyio
import pytest

from innkeepd.policy.scheduling import events as ev
from support.daemon import LLAMA8, mock_clock, open_daemon, settled, ticket

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_a_place_becomes_a_lease_and_leaving_gives_it_back():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        async with daemon.control.lease(ticket(daemon, LLAMA8)) as place:
            grant = await settled(place)
            assert isinstance(grant, ev.Grant)
            assert daemon.control.scheduler.leases.count(grant.weights) == 1
            assert daemon.control.awake._work == {"answer": 1}
            await place.change()  # settled: nothing to wait for
        assert daemon.control.scheduler.leases.all() == []
        assert not daemon.control.awake._work


async def test_a_refused_place_holds_nothing():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        async with daemon.control.lease(ticket(daemon, "nobody:1b")) as place:
            assert (await settled(place)).code == "model_missing"
        assert daemon.is_quiet()
        assert daemon.control.counts["refusals"] == 1


async def test_a_lease_taken_back_cancels_the_work_under_it_and_any_that_would_begin():
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        async with daemon.control.lease(ticket(daemon, LLAMA8)) as place:
            await settled(place)
            with anyio.CancelScope() as work:
                place.works_in(work)
                daemon.control.revoke_all("on_hold", "now")
                await anyio.sleep_forever()
            assert (place.revoked.code, place.revoked.message) == ("on_hold", "now")
            with anyio.CancelScope() as later:
                place.works_in(later)
                await anyio.sleep_forever()
            assert later.cancelled_caught
