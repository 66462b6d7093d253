"""The deadline of an answer."""

import anyio
import pytest

from innkeepd.chat.deadline import ResponseDeadline
from support.daemon import mock_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_a_pace_ends_an_answer_that_does_not_begin():
    pace, began = ResponseDeadline(10.0, 5.0), anyio.current_time()
    with pace.scope:
        await anyio.sleep_forever()
    assert anyio.current_time() - began == pytest.approx(10.0)
    assert (pace.fault("m").code, pace.fault("m").message) == ("first_token_timeout", "m gave no token within 10 s")


@pytest.mark.parametrize("pieces", [1, 2, 3, 20])
async def test_a_pace_ends_an_answer_that_stalls_at_most_a_twentieth_late(pieces):
    pace = ResponseDeadline(10.0, 5.0)
    with pace.scope:
        for _ in range(pieces):
            await anyio.sleep(4.875)  # exact in binary, so that the bound is too
            pace.went_on()
        last = anyio.current_time()
        await anyio.sleep_forever()
    assert 5.0 <= anyio.current_time() - last <= 5.25
    assert pace.first_token == pytest.approx(4.875)
    assert pace.fault("m").code == "stalled"


async def test_a_pace_does_not_count_while_the_client_reads_slowly_and_a_whole_answer_may_take_longer():
    pace = ResponseDeadline(10.0, 5.0)
    with pace.scope:
        pace.went_on()
        pace.pause()
        await anyio.sleep(1000)
        pace.went_on()
        await anyio.sleep(4)
    assert not pace.scope.cancelled_caught
    whole = ResponseDeadline(10.0, 5.0)
    whole.whole(100.0)
    with whole.scope:
        await anyio.sleep(100)
    assert not whole.scope.cancelled_caught
